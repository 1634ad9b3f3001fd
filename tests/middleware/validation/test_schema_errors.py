"""Schema errors: the search ends at its limit and stays cheap, whatever schema and document look like."""

from __future__ import annotations

from jsonschema_rs import validator_map_for

from api_gateway.middleware.validation.schema_errors import Place, Search

SCHEMA: dict[str, object] = {"items": {"type": "string"}}


def search(limit: int, document: object, schema: dict[str, object] = SCHEMA) -> list[tuple[str, str]]:
    compiled = validator_map_for(schema)
    found = Search(schema, {pointer: Place(compiled[pointer]) for pointer in compiled.keys()}, limit)  # noqa: SIM118
    found.look("#", document, ())
    return found.found


def test_the_search_ends_at_its_limit() -> None:
    assert [pointer for pointer, _ in search(2, [1, "x", 2, 3])] == ["/0", "/2"]
    assert search(1, [1] * 5) == [("/0", "must be of type string")]


def test_where_nothing_can_be_said_the_refusal_stands() -> None:
    assert search(5, {"a": 1}, {"propertyNames": {"minLength": 2}}) == [("", "is none of what is allowed here")]


def test_an_error_that_two_branches_find_is_told_once() -> None:
    schema: dict[str, object] = {"allOf": [{"type": "string"}, {"type": "string"}]}
    assert search(5, 1, schema) == [("", "must be of type string")]


def test_a_long_list_of_choices_is_not_repeated() -> None:
    schema: dict[str, object] = {"enum": [f"choice {number}" for number in range(50)]}
    assert search(5, "x", schema) == [("", "must be one of what the schema says")]


def test_a_deep_document_does_not_exhaust_the_stack() -> None:
    below: dict[str, object] = {"allOf": [{"allOf": [{"allOf": [{"$ref": "#"}]}]}]}
    schema: dict[str, object] = {"properties": {"a": below}, "type": "object"}
    document: object = 1
    for _ in range(200):
        document = {"a": document}
    ((pointer, message),) = search(5, document, schema)
    assert pointer.startswith("/a/a/a")
    assert message == "is none of what is allowed here"
