"""Schema errors: where a document that was refused is wrong, at a bounded price.

Rule: go down the document and the schema side by side, only where the compiled schema says no, until the limit is
reached. `properties`, `items`, `prefixItems`, `additionalProperties`, `allOf` and `$ref` are followed. Of what
branches (`anyOf`, `oneOf`, `not`, `if`, `contains`, ...) it is said that it fails, not why: the reasons of all branches
of branches are what makes other listings exponential.

Bound: `limit` errors; each a pointer of `_LONGEST_POINTER` and a message made of the schema. No value of the client's
is repeated, so an answer reflects nothing, and a password in the wrong member stays where it was. Names are shown,
because a pointer without them points nowhere, each shortened to `_LONGEST_NAME`.

Cost: one decision about each part of the document for each level above it, at most: 30 ms for 256 KiB with one
mistake at the bottom of 31 levels, each as large as the others, about which one decision takes 1 ms.

What it does not do: decide. Where it finds nothing to say the refusal stands, with a plain sentence.

Source: RFC 6901 (JSON pointer).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TypeAlias
from urllib.parse import unquote

from jsonschema_rs import Draft202012Validator, RegexOptions, Validator

_LONGEST_NAME = 40
_LONGEST_POINTER = 250
_LONGEST_VALUE = 80
_DEEPEST = 100  # steps down, of which one level of a document may take several
_MOST_NAMES = 3

_SAID = {
    "type": "must be of type {}",
    "enum": "must be one of {}",
    "const": "must be {}",
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} elements",
    "maxItems": "must have at most {} elements",
    "minProperties": "must have at least {} members",
    "maxProperties": "must have at most {} members",
    "format": "must be in the format {}",
    "pattern": "must match the pattern",
    "uniqueItems": "must not have equal elements",
    "dependentRequired": "lacks a member that another one needs",
    "required": "lacks {}",
}

Steps: TypeAlias = tuple[str | int, ...]
"""Names and positions from the top of a document."""


class Place:
    """One subschema, compiled; and each of its assertions alone, once somebody asks."""

    __slots__ = ("_assertions", "validator")

    def __init__(self, validator: Validator) -> None:
        self.validator = validator
        self._assertions: list[tuple[str, Validator]] | None = None

    def assertions(self, schema: Mapping[str, object]) -> list[tuple[str, Validator]]:
        """Keyword and validator of what `schema` asserts about a value itself."""
        if self._assertions is None:
            self._assertions = [(keyword, _alone(keyword, schema[keyword])) for keyword in _SAID if keyword in schema]
        return self._assertions


class Search:
    """The search for the errors of one document."""

    __slots__ = ("_limit", "_noted", "_places", "_schema", "_seen", "found")

    def __init__(self, schema: object, places: Mapping[str, Place], limit: int) -> None:
        """`places` are those of `schema`, by pointer; `limit` is how many errors to look for."""
        self._schema = schema
        self._places = places
        self._limit = limit
        self._seen: set[tuple[str, Steps]] = set()
        self._noted = 0
        self.found: list[tuple[str, str]] = []
        """Pointer and message of each error."""

    def look(self, at: str, document: object, steps: Steps, depth: int = 0) -> None:
        """Note what is wrong with `document`, which the schema `at` a pointer refuses, and which stands at `steps`."""
        if (at, steps) in self._seen:
            self._noted += 1  # a schema that refers to itself; whoever looks there already says what is wrong
            return
        self._seen.add((at, steps))
        schema = _resolved(self._schema, at)
        if not isinstance(schema, dict):
            self._note(steps, "is not allowed")
            return
        before = self._noted
        for keyword, validator in self._places[at].assertions(schema):
            if not validator.is_valid(document):
                self._note(steps, _message(keyword, schema[keyword], document))
        for below, part, place in _parts(schema, at, document, steps):
            if len(self.found) >= self._limit:
                return
            refusing = self._places.get(below)
            if refusing is not None and depth < _DEEPEST and not refusing.validator.is_valid(part):
                self.look(below, part, place, depth + 1)
        if self._noted == before:
            unknown = _unknown_members(schema, document)
            self._note(steps, f"has unknown members: {unknown}" if unknown else "is none of what is allowed here")

    def _note(self, steps: Steps, message: str) -> None:
        self._noted += 1
        error = (_pointer(steps), message)
        if len(self.found) < self._limit and error not in self.found:
            self.found.append(error)


def _parts(
    schema: Mapping[str, object], at: str, document: object, steps: Steps
) -> Iterator[tuple[str, object, Steps]]:
    """Pointer of a subschema, the part of the document it speaks of, and where that stands."""
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        yield unquote(reference), document, steps
    for index in range(_length(schema.get("allOf"))):
        yield f"{at}/allOf/{index}", document, steps
    if isinstance(document, dict):
        known = _mapping(schema.get("properties"))
        rest = "additionalProperties" in schema and "patternProperties" not in schema
        for name, value in document.items():
            if name in known:
                yield f"{at}/properties/{_escaped(name)}", value, (*steps, name)
            elif rest and isinstance(schema["additionalProperties"], dict):
                yield f"{at}/additionalProperties", value, (*steps, name)
    elif isinstance(document, list):
        first = _length(schema.get("prefixItems"))
        for index, value in enumerate(document):
            below = f"{at}/prefixItems/{index}" if index < first else f"{at}/items"
            yield below, value, (*steps, index)


def _unknown_members(schema: Mapping[str, object], document: object) -> str:
    if schema.get("additionalProperties") is not False or "patternProperties" in schema:
        return ""
    names = [name for name in _mapping(document) if name not in _mapping(schema.get("properties"))]
    return _listed(names)


def _message(keyword: str, value: object, document: object) -> str:
    if keyword == "required":
        missing = [str(name) for name in value if name not in _mapping(document)] if isinstance(value, list) else []
        return _SAID[keyword].format(_listed(missing))
    if keyword == "type":
        return _SAID[keyword].format(" or ".join(value) if isinstance(value, list) else value)
    text = json.dumps(value)
    return _SAID[keyword].format(text if len(text) <= _LONGEST_VALUE else "what the schema says")


def _listed(names: list[str]) -> str:
    shown = ", ".join(json.dumps(_shortened(name)) for name in names[:_MOST_NAMES])
    return shown if len(names) <= _MOST_NAMES else f"{shown} and {len(names) - _MOST_NAMES} more"


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "..."


def _pointer(steps: Steps) -> str:
    pointer = "".join(f"/{_escaped(_shortened(str(step)))}" for step in steps)
    return pointer if len(pointer) <= _LONGEST_POINTER else pointer[:_LONGEST_POINTER] + "..."


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _resolved(schema: object, pointer: str) -> object:
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(schema, dict):
            schema = schema.get(name)
        elif isinstance(schema, list):
            schema = schema[int(name)]
    return schema


def _alone(keyword: str, value: object) -> Validator:
    return Draft202012Validator({keyword: value}, validate_formats=True, offline=True, pattern_options=RegexOptions())


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _length(value: object) -> int:
    return len(value) if isinstance(value, list) else 0
