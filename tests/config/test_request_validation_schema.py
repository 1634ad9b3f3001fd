"""Request validation in the configuration: schemas are compiled early, and contradictions told."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from pydantic import ValidationError

from api_gateway.config.request_validation_schema import BodyValidation, RequestValidationOptions
from api_gateway.core.errors import ConfigurationError
from api_gateway.middleware.body.json_limits import JsonLimits

SCHEMA = {"type": "object", "properties": {"page": {"type": "integer", "minimum": 1}}, "required": ["page"]}


def read(**keys: object) -> RequestValidationOptions:
    return RequestValidationOptions.model_validate(keys)


def test_everything_can_be_said() -> None:
    options = read(
        content_types=["application/json"],
        max_body="256KiB",
        body={"schema": SCHEMA},
        query=SCHEMA,
        max_depth=5,
        max_items="100",
        required=True,
    )
    assert (options.content_types, options.max_body, options.required) == (("application/json",), 262_144, True)
    assert options.limits == JsonLimits(5, 100)
    assert options.body_schema is not None
    assert options.body_schema.errors({"page": 0}) == [("/page", "must be at least 1")]
    assert options.query_schema is not None
    assert options.query_schema.errors("page=0") == [("/page", "must be at least 1")]


def test_bodies_are_inspected_only_where_something_needs_it() -> None:
    assert read(max_body="1MiB", content_types=["text/*"], required="true").limits is None
    assert read(body={"schema": True}).limits == JsonLimits()
    assert read(max_depth=3).limits == JsonLimits(depth=3)
    assert read(max_items=3).limits == JsonLimits(items=3)
    assert read(query=SCHEMA).body_schema is None
    assert read(max_depth=3).query_schema is None


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({}, "there is nothing to check"),
        ({"content_types": []}, "there is no type that could be taken"),
        ({"content_types": ["json"]}, "'json' is not a media type; write application/json"),
        ({"content_types": ["text/csv"], "max_depth": 3}, "a body of type 'text/csv' cannot be inspected as JSON"),
        ({"content_types": ["application/*"], "body": {"schema": True}}, "cannot be inspected as JSON"),
        ({"max_body": 0}, "the size is zero"),
        ({"max_depth": 0}, "out of range"),
        ({"max_depth": 201}, "more than a parser can go down; write a number from 1 to 200"),
        ({"body": {}}, "there is no schema; write either"),
        ({"body": {"schema": True, "schema_file": "x"}}, "there are two schemas; write either"),
        ({"body": {"shema": True}}, "unknown key 'shema'; did you mean 'schema'?"),
        ({"body": {"schema": "x"}}, "expected a schema, not 'x'; write a JSON Schema"),
        ({"body": {"schema": {"minimun": 1}}}, "/: unknown keyword 'minimun'; did you mean 'minimum'?"),
        ({"body": {"schema": {"type": "strin"}}}, "/type: "),
        ({"body": {"schema": {"$ref": "http://a.example/x"}}}, "none is ever fetched; copy it into $defs"),
        ({"query": {"properties": {"a": {"type": "object"}}}}, "/properties/a: "),
        ({"query": SCHEMA, "query_file": "x"}, "there are two schemas for the query"),
        ({"bodie": {}}, "unknown key 'bodie'"),
    ],
)
def test_mistakes_are_told(keys: dict[str, object], text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        RequestValidationOptions.model_validate(keys)
    assert text in str(caught.value)


def test_schemas_come_from_files(tmp_path: Path) -> None:
    file = tmp_path / "order.schema.json"
    file.write_text(json.dumps(SCHEMA))
    options = read(body={"schema_file": str(file)}, query_file=str(file))
    assert options.body_schema is not None
    assert options.query_schema is not None
    assert options.body_schema.errors({}) == options.query_schema.errors("") == [("", 'lacks "page"')]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "cannot be read: No such file"),
        ('{\n  "type": object\n}', "is not JSON at line 2, column 11; correct it there"),
        ('{"type": "object", "type": "array"}', "the same name twice"),
        ('{"properties": {"a": {"minimun": 1}}}', "/properties/a: unknown keyword 'minimun'"),
        ('{"properties": {"a": {"pattern": "(?=x)"}}}', "/properties/a/pattern"),
        ("[" * 5000, "levels deep"),
    ],
)
def test_a_wrong_file_is_named_with_its_cause(tmp_path: Path, content: str | None, text: str) -> None:
    file = tmp_path / "order.schema.json"
    if content is not None:
        file.write_text(content)
    for keys in ({"body": {"schema_file": str(file)}}, {"query_file": str(file)}):
        options = read(**keys)
        with pytest.raises(ConfigurationError) as caught:
            _ = options.body_schema, options.query_schema
        assert str(caught.value).startswith(f"{file}: ")
        assert text in str(caught.value)


def test_it_survives_being_sent_on() -> None:
    for options in (read(body={"schema": SCHEMA}, max_depth=3), read(query=SCHEMA, required=True)):
        assert pickle.loads(pickle.dumps(options)) == options
        sent = json.loads(options.model_dump_json(exclude_unset=True))
        assert RequestValidationOptions.model_validate(sent) == options


def test_the_published_schema_has_the_keys_as_they_are_written() -> None:
    properties = RequestValidationOptions.model_json_schema()["properties"]
    assert set(properties) == set(RequestValidationOptions.model_fields)
    assert set(BodyValidation.model_json_schema()["properties"]) == {"schema", "schema_file"}
