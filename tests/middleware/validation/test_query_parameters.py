"""Query parameters: one reading, with the schema's types, or a refusal."""

from __future__ import annotations

import contextlib
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.core.errors import BadRequest, ConfigurationError, UnprocessableContent
from api_gateway.middleware.validation.query_parameters import MOST_PARAMETERS, QuerySchema

SCHEMA = {
    "type": "object",
    "properties": {
        "page": {"type": "integer", "minimum": 1},
        "price": {"type": ["number", "null"]},
        "all": {"type": "boolean"},
        "tag": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "maxItems": 3},
        "id": {"type": "array", "items": {"type": "integer"}},
        "size": {"$ref": "#/$defs/size"},
        "name": {"type": "string"},
        "sort": {"enum": ["up", "down"]},
    },
    "required": ["page"],
    "additionalProperties": False,
    "$defs": {"tag": {"type": "string", "maxLength": 5}, "size": {"type": "integer"}},
}
QUERY = QuerySchema(SCHEMA)


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("", {}),
        ("page=5", {"page": 5}),
        ("&page=-5&&", {"page": -5}),
        ("page=05", {"page": "05"}),
        ("page=%2B5", {"page": "+5"}),
        ("page=+5", {"page": " 5"}),
        ("page=5.0", {"page": "5.0"}),
        ("page=", {"page": ""}),
        ("page", {"page": ""}),
        ("page=\u0665", {"page": "\u0665"}),
        ("page=" + "9" * 5000, {"page": "9" * 5000}),
        ("price=5", {"price": 5}),
        ("price=-1.5e3", {"price": -1500.0}),
        ("price=1e999", {"price": "1e999"}),
        ("price=nan", {"price": "nan"}),
        ("all=true", {"all": True}),
        ("all=True", {"all": "True"}),
        ("tag=1&tag=a%20b&tag=a+b", {"tag": ["1", "a b", "a b"]}),
        ("id=1", {"id": [1]}),
        ("id=1&id=x", {"id": [1, "x"]}),
        ("size=7", {"size": 7}),
        ("name=5", {"name": "5"}),
        ("%70age=5", {"page": 5}),
        ("name=a=b", {"name": "a=b"}),
        ("name=%3B%26%C3%A9", {"name": ";&é"}),
        ("other=5", {"other": "5"}),
        ("=5", {"": "5"}),
    ],
)
def test_a_query_has_one_reading(query: str, values: dict[str, object]) -> None:
    read = QUERY.read(query)
    assert read == values
    assert [type(value) for value in read.values()] == [type(value) for value in values.values()]


@pytest.mark.parametrize(
    "query", ["a=%", "a=%zz", "%4=1", "a=%ff", "a=%c0%af", "a=%ed%a0%80", "page=1;all=true", "page=1&page=2", "x&%78=1"]
)
def test_what_services_read_differently_is_a_bad_request(query: str) -> None:
    with pytest.raises(BadRequest):
        QUERY.read(query)


def test_the_number_of_parameters_is_bounded() -> None:
    assert len(QUERY.read("&".join(f"n{number}=1" for number in range(MOST_PARAMETERS)))) == MOST_PARAMETERS
    with pytest.raises(UnprocessableContent):
        QUERY.read("id=1&" * MOST_PARAMETERS)


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ("page=1&tag=a&tag=b&sort=up", []),
        ("", [("", 'lacks "page"')]),
        ("page=0", [("/page", "must be at least 1")]),
        ("page=x", [("/page", "must be of type integer")]),
        ("page=1&tag=a&tag=toolong", [("/tag/1", "must have at most 5 characters")]),
        ("page=1&other=5", [("", 'has unknown members: "other"')]),
        ("page=1&sort=sideways", [("/sort", 'must be one of ["up", "down"]')]),
    ],
)
def test_errors_name_the_parameter(query: str, errors: list[tuple[str, str]]) -> None:
    assert QUERY.errors(query) == errors


def test_parameters_that_are_not_named_have_the_type_of_the_others() -> None:
    query = QuerySchema({"additionalProperties": {"type": "array", "items": {"type": "integer"}}})
    assert query.read("a=1&a=2&b=3") == {"a": [1, 2], "b": [3]}


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"type": "object"}}},
        {"properties": {"a": {"type": "array", "items": {"type": "array"}}}},
        {"properties": {"a": {"type": "array", "items": {"$ref": "#/properties/a"}}}},
        {"properties": {"a": {"$ref": "#/$defs/o"}}, "$defs": {"o": {"type": ["object", "null"]}}},
        {"properties": {"a": {"type": "integr"}}},
        {"properties": {"a": {"$ref": "#/nowhere"}}},
        "text",
    ],
)
def test_a_schema_that_no_query_can_have_is_a_configuration_error(schema: object) -> None:
    with pytest.raises(ConfigurationError):
        QuerySchema(schema)


def test_a_reference_in_a_circle_ends() -> None:
    schema = {
        "properties": {"a": {"$ref": "#/$defs/x"}},
        "$defs": {"x": {"$ref": "#/$defs/y"}, "y": {"$ref": "#/$defs/x"}},
    }
    assert QuerySchema(schema).read("a=1") == {"a": "1"}


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")), max_size=5))
def test_what_a_client_library_writes_is_what_is_read(values: dict[str, str]) -> None:
    assert QuerySchema({}).read(urlencode(values)) == values
    assert QuerySchema({}).read(urlencode(values, quote_via=quote)) == values


@given(st.text() | st.text(alphabet="page=1&;%2+0tid"))
def test_any_text_is_read_or_refused(query: str) -> None:
    with contextlib.suppress(BadRequest, UnprocessableContent):
        assert all(len(pointer) + len(message) < 500 for pointer, message in QUERY.errors(query))
