"""JSON Schema: the decision is the oracle's, the errors are few, short and free of values, and nothing is fetched."""

from __future__ import annotations

import json
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.core.errors import ConfigurationError
from api_gateway.middleware.validation.json_schema import MOST_ERRORS, JsonSchema
from tests.support.json_schema import other_implementation

ORDER: dict[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^[a-z]+$", "minLength": 2},
        "items": {"type": "array", "items": {"$ref": "#/$defs/item"}, "minItems": 1, "maxItems": 3},
        "kind": {"enum": ["new", "old", 1]},
        "pair": {"prefixItems": [{"type": "integer"}, {"type": "boolean"}], "items": False},
        "a/b~c": {"const": 5},
    },
    "required": ["id", "items"],
    "additionalProperties": False,
    "$defs": {
        "item": {
            "type": "object",
            "properties": {"price": {"type": "number", "exclusiveMinimum": 0}, "part": {"$ref": "#/$defs/item"}},
            "required": ["price"],
            "additionalProperties": {"type": "string"},
        }
    },
}
TREE: dict[str, object] = {
    "anyOf": [
        {"type": "integer"},
        {"properties": {"a": {"$ref": "#"}}, "required": ["q"]},
        {"properties": {"a": {"$ref": "#"}}, "required": ["r"]},
    ]
}
BRANCHES: dict[str, object] = {
    "oneOf": [{"type": "object", "required": ["a"]}, {"type": "object", "minProperties": 2}, {"type": "array"}],
    "if": {"type": "array"},
    "then": {"contains": {"type": "string"}, "uniqueItems": True},
    "else": {"patternProperties": {"^i": {"type": "integer"}}, "propertyNames": {"maxLength": 5}},
    "unevaluatedProperties": {"not": {"type": "null"}},
}
NAMES = st.sampled_from(["id", "items", "kind", "pair", "a/b~c", "price", "part", "a", "q", "r", "i", "ii", "longer"])
VALUES = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 5, -1, 1.5, 2.0, "new", "ab", "A", "", 10**30, 1]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
ORDERS = st.fixed_dictionaries(
    {"id": st.sampled_from(["ab", "abc", "A", "a", 1]), "items": st.lists(st.fixed_dictionaries({"price": VALUES}))},
    optional={"kind": st.sampled_from(["new", 1, True, 1.0]), "pair": st.lists(VALUES, max_size=3), "a/b~c": VALUES},
)


@pytest.mark.parametrize("schema", [ORDER, TREE, BRANCHES, True, False], ids=["order", "tree", "branches", "t", "f"])
@settings(max_examples=70)
@given(document=VALUES | ORDERS)
def test_the_decision_is_that_of_another_implementation(schema: dict[str, object] | bool, document: object) -> None:
    expected = other_implementation()(schema).is_valid(document)
    compiled = JsonSchema(schema)
    errors = compiled.errors(document)
    assert compiled.is_valid(document) == expected
    assert bool(errors) != expected
    assert len(errors) <= MOST_ERRORS


@given(VALUES | ORDERS)
def test_every_pointer_leads_to_something_in_the_document(document: object) -> None:
    for pointer, _ in JsonSchema(ORDER).errors(document):
        found = document
        for step in pointer.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            found = found[int(name)] if isinstance(found, list) else found[name]  # type: ignore[index]


@pytest.mark.parametrize(
    ("document", "errors"),
    [
        ({"id": "ab", "items": [{"price": 1}]}, []),
        ([], [("", "must be of type object")]),
        ({}, [("", 'lacks "id", "items"')]),
        (
            {"id": "A", "items": [{"price": 1}, {"price": 0, "part": {"price": "x"}}]},
            [
                ("/id", "must have at least 2 characters"),
                ("/id", "must match the pattern"),
                ("/items/1/price", "must be more than 0"),
                ("/items/1/part/price", "must be of type number"),
            ],
        ),
        (
            {"id": "ab", "items": [{"price": 1, "note": 5}], "kind": "x", "pair": [1, True, 2], "a/b~c": 6},
            [
                ("/items/0/note", "must be of type string"),
                ("/kind", 'must be one of ["new", "old", 1]'),
                ("/pair/2", "is not allowed"),
                ("/a~1b~0c", "must be 5"),
            ],
        ),
        ({"id": "ab", "items": [{"price": 1}], "x": 1, "y": 2}, [("", 'has unknown members: "x", "y"')]),
    ],
)
def test_errors_say_where_and_what(document: object, errors: list[tuple[str, str]]) -> None:
    assert JsonSchema(ORDER).errors(document) == errors


def test_a_branch_that_fails_is_said_to_fail() -> None:
    assert JsonSchema(TREE).errors({"a": 1}) == [("", "is none of what is allowed here")]
    assert JsonSchema({"allOf": [{"properties": {"n": {"not": {"type": "null"}}}}]}).errors({"n": None}) == [
        ("/n", "is none of what is allowed here")
    ]


def test_a_schema_that_refers_to_itself_ends() -> None:
    schema = JsonSchema({"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#"}, {"type": "string"}]}}})
    assert schema.errors(1) == [("", "must be of type string")]


def test_a_hostile_document_for_nested_branches_is_told_quickly() -> None:
    document = json.loads('{"a":' * 32 + "true" + "}" * 32)
    assert len(JsonSchema(TREE).errors(document)) == 1


def test_no_more_than_ten_errors_are_looked_for_among_ten_thousand() -> None:
    schema = JsonSchema({"items": {"allOf": [{"type": "string"}, {"minimum": 5}]}})
    errors = schema.errors([1] * 10_000)
    assert len(errors) == MOST_ERRORS
    assert errors[:3] == [
        ("/0", "must be of type string"),
        ("/0", "must be at least 5"),
        ("/1", "must be of type string"),
    ]


def test_no_value_is_repeated_and_names_are_shortened() -> None:
    secret, name = "hunter2-" * 10, "n" * 5000
    schema: dict[str, object] = {
        "properties": {
            "type": {"type": "integer"},
            "enum": {"enum": [1]},
            "const": {"const": 1},
            "format": {"format": "date"},
            "pattern": {"pattern": "^x"},
            "length": {"maxLength": 3},
            "not": {"not": {"type": "string"}},
            "never": False,
            name: {"type": "integer"},
            "deep": {"additionalProperties": {"additionalProperties": {"additionalProperties": False}}},
        },
        "additionalProperties": False,
    }
    for member in (*list(schema["properties"])[:-1], "other"):  # type: ignore[call-overload]
        (error,) = JsonSchema(schema).errors({member: secret})
        assert secret not in "".join(error)
        assert len("".join(error)) < 150
    ((pointer, message),) = JsonSchema(schema).errors({"deep": {name: {name: {name: 1, "b" * 50: 2, "c": 3, "d": 4}}}})
    assert len(pointer) < 260
    assert message == f'has unknown members: "{"n" * 40}...", "{"b" * 40}...", "c" and 1 more'


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)+$", "^([a-z]+.)+[A-Z]$"])
def test_no_pattern_is_slow_on_hostile_text(pattern: str) -> None:
    assert JsonSchema({"pattern": pattern}).errors("a" * 100_000 + "!") != []


@pytest.mark.parametrize("pattern", ["(?=a)b", r"(a)\1", "(", "(a{1000}){1000}"])
def test_a_pattern_that_could_not_be_linear_is_a_configuration_error(pattern: str) -> None:
    with pytest.raises(ConfigurationError, match="/properties/a/pattern"):
        JsonSchema({"properties": {"a": {"pattern": pattern}}})


@pytest.mark.parametrize(
    ("name", "valid", "invalid"),
    [
        ("date", "2026-02-28", "2026-02-30"),
        ("date-time", "2026-02-28T10:00:00Z", "2026-02-28 10:00"),
        ("email", "a@b.example", "a b"),
        ("uuid", "2eb8aa08-aa98-11ea-b4aa-73b441d16380", "2eb8aa08"),
        ("ipv4", "10.0.0.1", "10.0.0.256"),
        ("uri", "https://a.example/x", "no uri"),
    ],
)
def test_formats_are_checked(name: str, valid: str, invalid: str) -> None:
    schema = JsonSchema({"format": name})
    assert schema.errors(valid) == []
    assert schema.errors(invalid) == [("", f'must be in the format "{name}"')]


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (None, "a schema is a mapping"),
        ([], "a schema is a mapping"),
        ({"type": "strin"}, "/type: "),
        ({"properties": {"a": {"minimum": "x"}}}, '/properties/a/minimum: "x" is not of type "number"'),
        ({"properties": {"a": {"format": "dat"}}}, "Unknown format"),
        ({"$ref": "#/$defs/no"}, "does not exist"),
        ({"properties": 5}, "/properties"),
        ({"anyOf": []}, "/anyOf"),
    ],
)
def test_a_wrong_schema_is_a_configuration_error_with_its_place(schema: object, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        JsonSchema(schema)
    assert text in str(caught.value)


def test_nothing_is_ever_fetched() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        for reference in (
            f"http://127.0.0.1:{server.getsockname()[1]}/schema.json",
            "file:///etc/hostname",
            "other.json",
            "//127.0.0.1/x",
        ):
            for schema in ({"$ref": reference}, {"items": {"$dynamicRef": reference}}, {"$id": reference, "$ref": "x"}):
                with pytest.raises(ConfigurationError, match="refers to another document"):
                    JsonSchema(schema)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_the_metaschema_itself_may_be_referred_to() -> None:
    schema = JsonSchema({"$ref": "https://json-schema.org/draft/2020-12/schema"})
    assert schema.is_valid({"type": "string"})
    assert schema.errors({"type": "strin"}) == [("", "is none of what is allowed here")]
