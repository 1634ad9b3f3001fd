"""Request validation in the configuration: what a route takes.

    validate_request:
      content_types: [application/json]
      max_body: 256KiB
      body: {schema_file: order.schema.json}     # or schema: {...}
      query: {type: object, properties: {page: {type: integer, minimum: 1}}, additionalProperties: false}
      max_depth: 32
      max_items: 10000
      required: true

Rule: `body`, `max_depth` or `max_items` makes a body be inspected, which only JSON can be. A schema that is written
here is compiled while the configuration is checked, so a mistake in it has a line; one in a file is read, with
its own lines, when the gateway is built.

What it does not do: make the middleware (`build_middleware.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeAlias, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from api_gateway.config.fields import Count, FilePath, Flag, Size
from api_gateway.config.model import Model
from api_gateway.config.problems import Refusal, did_you_mean, shown
from api_gateway.core.errors import ConfigurationError
from api_gateway.middleware.body.json_limits import MOST_DEPTH, JsonLimits, NotJson, OverJsonLimit, read_json
from api_gateway.middleware.body.media_type import AcceptedTypes
from api_gateway.middleware.validation.json_schema import JsonSchema
from api_gateway.middleware.validation.query_parameters import QuerySchema

Schema = TypeVar("Schema")

_SCHEMA_KEYS = ("schema", "schema_file")
_SCHEMA_REMEDY = "write a JSON Schema of version 2020-12"
_FILE_LIMITS = JsonLimits(depth=MOST_DEPTH, items=100_000)


def _usable(compile_schema: Callable[[object], object]) -> Callable[[object], object]:
    def check(value: object) -> object:
        if not isinstance(value, dict | bool):
            raise Refusal(f"expected a schema, not {shown(value)}", _SCHEMA_REMEDY)
        try:
            compile_schema(value)
        except ConfigurationError as error:
            cause, _, remedy = str(error).partition("; ")
            raise Refusal(cause, remedy or _SCHEMA_REMEDY) from None
        return value

    return check


def _depth(value: int) -> int:
    if value > MOST_DEPTH:
        raise Refusal(f"{value} levels are more than a parser can go down", f"write a number from 1 to {MOST_DEPTH}")
    return value


def _content_types(names: tuple[str, ...]) -> tuple[str, ...]:
    try:
        AcceptedTypes(names)
    except ConfigurationError as error:
        cause, _, remedy = str(error).partition("; ")
        raise Refusal(cause, remedy) from None
    return names


_SCHEMA = WithJsonSchema({"type": ["object", "boolean"], "description": "A JSON Schema, version 2020-12"})
BodySchema: TypeAlias = Annotated[object, BeforeValidator(_usable(JsonSchema)), _SCHEMA]
QueryParameters: TypeAlias = Annotated[object, BeforeValidator(_usable(QuerySchema)), _SCHEMA]
ContentTypes: TypeAlias = Annotated[tuple[str, ...], AfterValidator(_content_types)]
Depth: TypeAlias = Annotated[Count, AfterValidator(_depth)]


class BodyValidation(Model):
    """What a body must be."""

    model_config = ConfigDict(serialize_by_alias=True)

    schema_file: FilePath | None = None
    """A file that holds the schema."""
    written: BodySchema | None = Field(default=None, alias="schema")
    """The schema itself."""

    @classmethod
    def unknown(cls, key: str) -> Refusal:
        """Why `key` cannot stand here, with the keys as they are written."""
        return Refusal(f"unknown key {key!r}", did_you_mean(key, _SCHEMA_KEYS, "the keys here are"), at_key=True)

    @model_validator(mode="after")
    def _one_schema(self) -> BodyValidation:
        if len(self.model_fields_set) != 1:
            found = "are two schemas" if self.model_fields_set else "is no schema"
            raise Refusal(f"there {found}", "write either schema_file or schema")
        return self


class RequestValidationOptions(Model):
    """What requests a route takes."""

    content_types: ContentTypes | None = None
    """Types of bodies, such as application/json, application/*+json or text/*; any unless given."""
    max_body: Size | None = None
    """The largest body; of a compressed one that is inspected, what it holds counts as well."""
    body: BodyValidation | None = None
    """The schema of bodies."""
    query: QueryParameters | None = None
    """The schema of the query, as an object of its parameters."""
    query_file: FilePath | None = None
    """A file that holds it."""
    max_depth: Depth | None = None
    """Arrays and objects inside each other; 32 where bodies are inspected."""
    max_items: Count | None = None
    """Members and elements in the whole body; 10000 where bodies are inspected."""
    required: Flag = False
    """Whether POST, PUT and PATCH must have a body."""

    @model_validator(mode="after")
    def _consistent(self) -> RequestValidationOptions:
        if not self.model_fields_set:
            raise Refusal("there is nothing to check", "add content_types, max_body, body, query or required")
        if self.query is not None and self.query_file is not None:
            raise Refusal("there are two schemas for the query", "write either query or query_file")
        others = [name for name in self.content_types or () if not _is_json(name)]
        if self.limits is not None and others:
            remedy = "leave the type out, or body, max_depth and max_items"
            raise Refusal(f"a body of type {others[0]!r} cannot be inspected as JSON", remedy)
        return self

    @property
    def limits(self) -> JsonLimits | None:
        """The limits of a document; None where bodies are not inspected."""
        if self.body is None and self.max_depth is None and self.max_items is None:
            return None
        default = JsonLimits()
        return JsonLimits(self.max_depth or default.depth, self.max_items or default.items)

    @property
    def body_schema(self) -> JsonSchema | None:
        """The schema of bodies, compiled.

        Raises:
            ConfigurationError: its file cannot be used.
        """
        if self.body is None:
            return None
        if self.body.schema_file is not None:
            return _compiled(self.body.schema_file, JsonSchema)
        return JsonSchema(self.body.written)

    @property
    def query_schema(self) -> QuerySchema | None:
        """The schema of the query, compiled. Raises as `body_schema` does."""
        if self.query_file is not None:
            return _compiled(self.query_file, QuerySchema)
        return None if self.query is None else QuerySchema(self.query)


def _is_json(name: str) -> bool:
    return name.lower() == "application/json" or name.lower().endswith("+json")


def _compiled(path: Path, compile_schema: Callable[[object], Schema]) -> Schema:
    try:
        return compile_schema(read_json(path.read_bytes(), _FILE_LIMITS))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}; give it, or correct the path") from None
    except (NotJson, OverJsonLimit) as error:
        raise ConfigurationError(f"{path}: the file {error}; correct it there") from None
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None
