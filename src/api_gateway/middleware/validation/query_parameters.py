"""Query parameters: the one reading of a query, with the types that its schema names.

Rule: `name=value` pairs between `&`, `+` is a space, escapes are UTF-8; empty pairs count for nothing, and a name
without `=` has an empty value. Text becomes a number or a flag only where the schema of that name has such a type
and the text is one exactly (`5`, not `05` or `+5`); else it stays text, and the schema refuses it.

Refused, for services differ: a bad escape; bytes that are not UTF-8; a raw `;`, at which some still split; and a
name that is there twice, of which some take the first and some the last, unless its schema is an array.

Bound: `MOST_PARAMETERS`. What it does not do: change the query; the service gets it as it came.

Source: WHATWG URL standard, section 5.1 (application/x-www-form-urlencoded).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote, unquote_to_bytes

from api_gateway.core.errors import BadRequest, ConfigurationError, UnprocessableContent
from api_gateway.middleware.validation.json_schema import JsonSchema

MOST_PARAMETERS = 100
"""Pairs in one query."""

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,99})")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,99})(?:\.[0-9]{1,99})?(?:[eE][+\-]?[0-9]{1,3})?")
_FLAGS = {"true": True, "false": False}
_MOST_REFERENCES = 10


class _Kind(NamedTuple):
    scalars: frozenset[str]
    many: bool


_TEXT = _Kind(frozenset(), many=False)


class QuerySchema:
    """What a query must be."""

    __slots__ = ("_kinds", "_other", "_schema")

    def __init__(self, schema: object) -> None:
        """Of the schema of an object whose members are the parameters.

        Raises:
            ConfigurationError: it is no schema, or wants a parameter that is an object.
        """
        self._schema = JsonSchema(schema)
        root = schema if isinstance(schema, dict) else {}
        known = root.get("properties", {})
        self._kinds = {name: _kind(below, root, f"/properties/{name}") for name, below in known.items()}
        self._other = _kind(root.get("additionalProperties"), root, "/additionalProperties")

    def errors(self, query: str) -> list[tuple[str, str]]:
        """Pointer and message of what is wrong with `query`; none where it is valid.

        Raises:
            BadRequest: there is no single reading of it.
            UnprocessableContent: it has too many parameters.
        """
        return self._schema.errors(self.read(query))

    def read(self, query: str) -> dict[str, object]:
        """The parameters in `query`, as the schema's types have them. Raises as `errors` does."""
        values: dict[str, object] = {}
        for name, text in _pairs(query):
            kind = self._kinds.get(name, self._other)
            value = _value(text, kind.scalars)
            if kind.many:
                several = values.setdefault(name, [])
                assert isinstance(several, list)
                several.append(value)
            elif name in values:
                raise BadRequest("The query has a parameter twice.")
            else:
                values[name] = value
        return values


def _pairs(query: str) -> Iterator[tuple[str, str]]:
    if not query:
        return
    if query.count("&") >= MOST_PARAMETERS:
        raise UnprocessableContent(f"The query has more than {MOST_PARAMETERS} parameters.")
    if ";" in query:
        raise BadRequest("The query holds ';', which must be percent-encoded.")
    for pair in query.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            yield _decoded(name), _decoded(value)


def _decoded(text: str) -> str:
    text = text.replace("+", " ")
    if "%" not in text:
        return text
    if _BAD_ESCAPE.search(text):
        raise BadRequest("The query holds '%' without two hexadecimal digits behind it.")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise BadRequest("The query holds escapes that are not UTF-8.") from None


def _value(text: str, scalars: frozenset[str]) -> object:
    if not scalars.isdisjoint(("integer", "number")) and _INTEGER.fullmatch(text):
        return int(text)
    if "number" in scalars and _NUMBER.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return _FLAGS.get(text, text) if "boolean" in scalars else text


def _kind(schema: object, root: dict[str, object], place: str, *, element: bool = False) -> _Kind:
    for _ in range(_MOST_REFERENCES):
        if not isinstance(schema, dict) or "type" in schema or not isinstance(schema.get("$ref"), str):
            break
        schema = _referred(root, schema["$ref"])
    if not isinstance(schema, dict) or "type" not in schema:
        return _TEXT
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "object" in types or (element and "array" in types):
        raise ConfigurationError(f"{place}: there are no arrays of arrays and no objects in a query; name their parts")
    if "array" not in types:
        return _Kind(frozenset(types), many=False)
    return _Kind(_kind(schema.get("items"), root, f"{place}/items", element=True).scalars, many=True)


def _referred(root: object, reference: str) -> object:
    for step in unquote(reference).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        root = root.get(name) if isinstance(root, dict) else None
    return root
