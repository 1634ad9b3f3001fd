"""Schema keywords: what JSON Schema would ignore in silence is a mistake here, and has a place."""

from __future__ import annotations

import json

import pytest

from api_gateway.core.errors import ConfigurationError
from api_gateway.middleware.validation.schema_keywords import DIALECT, check_keywords
from tests.support.json_schema import other_implementation


def nested(levels: int) -> object:
    schema: object = True
    for _ in range(levels):
        schema = {"not": schema}
    return schema


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"minimun": 1}, "/: unknown keyword 'minimun'; did you mean 'minimum'?"),
        ({"properties": {"a": {"lenght": 1}}}, "/properties/a: unknown keyword 'lenght'"),
        ({"anyOf": [True, {"zzz": 1}]}, "/anyOf/1: unknown keyword 'zzz'; notes begin with 'x-'"),
        ({"$defs": {"a": {"additionalProperties": {"nulable": 1}}}}, "/$defs/a/additionalProperties: unknown"),
        ({"definitions": {}}, "unknown keyword 'definitions'"),
        ({"k" * 500: 1}, "unknown keyword"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "of another version"),
        ({"$defs": {"a": {"$id": "https://a.example/"}}}, "/$defs/a: only the whole schema may have an $id"),
        ({"items": {"$ref": "https://a.example/x"}}, "/items: $ref refers to another document"),
        ({"$ref": 5}, "$ref refers to another document"),
        (nested(200), "more than 100 levels"),
    ],
)
def test_what_would_be_ignored_is_refused(schema: object, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_keywords(schema)
    assert text in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {"$schema": DIALECT, "$id": "https://a.example/order", "x-owner": {"anything": 1}},
        {"properties": {"minimun": {"type": "integer"}, "$ref": True}},
        {
            "enum": [{"minimun": 1}],
            "const": {"lenght": 2},
            "default": {"$ref": "http://a.example"},
            "examples": [{"a": 1}],
        },
        {"dependentRequired": {"anything": ["a"]}, "dependentSchemas": {"anything": {"type": "object"}}},
        nested(50),
    ],
)
def test_names_and_values_are_not_taken_for_keywords(schema: object) -> None:
    check_keywords(schema)


def test_every_keyword_of_the_standard_is_known() -> None:
    validator = other_implementation()
    meta = validator.META_SCHEMA
    deprecated = {"definitions", "dependencies", "$recursiveAnchor", "$recursiveRef", "$vocabulary"}
    registry = validator(meta)._resolver._registry
    names = set(meta["properties"])
    for part in meta["allOf"]:
        names |= set(
            registry.get_or_retrieve(f"https://json-schema.org/draft/2020-12/{part['$ref']}").value.contents[
                "properties"
            ]
        )
    values = {"$schema": DIALECT, "$ref": "#", "$dynamicRef": "#"}
    for name in sorted(names - deprecated):
        check_keywords({name: values.get(name, json.loads("{}"))})
