"""Schema keywords: a JSON Schema that says something to nobody is a mistake, not a wish.

Rule: JSON Schema ignores what it does not know, so `minimun: 1` or a keyword of an older draft would let everything
pass. Here it is refused, with its place and the nearest keyword. Names that begin with `x-` may hold anything.

Nothing outside the schema is ever read: a `$ref` to another document, by http, file or a relative name, is refused
before anything could follow it. An `$id` below the top would change what `#` means, and is refused as well.

What it does not do: judge the values of keywords; the meta-schema does, when `json_schema.py` compiles.

Source: JSON Schema 2020-12, core and validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from api_gateway.core.errors import ConfigurationError

DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""The only version of JSON Schema there is here."""

_ONE = frozenset(
    {
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
_LIST = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_MAP = frozenset({"$defs", "dependentSchemas", "patternProperties", "properties"})
_PLAIN = frozenset(
    {
        "$anchor",
        "$comment",
        "$dynamicAnchor",
        "$dynamicRef",
        "$id",
        "$ref",
        "$schema",
        "const",
        "contentEncoding",
        "contentMediaType",
        "default",
        "dependentRequired",
        "deprecated",
        "description",
        "enum",
        "examples",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "maxContains",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minContains",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "multipleOf",
        "pattern",
        "readOnly",
        "required",
        "title",
        "type",
        "uniqueItems",
        "writeOnly",
    }
)
_ALL = _ONE | _LIST | _MAP | _PLAIN
_DEEPEST = 100


def check_keywords(schema: object) -> None:
    """Look at every keyword of `schema`.

    Raises:
        ConfigurationError: a keyword is unknown, or refers to something outside; with its place.
    """
    _check(schema, "", 0)


def _check(schema: object, place: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise ConfigurationError(f"the schema is more than {_DEEPEST} levels deep; use $defs")
    if not isinstance(schema, dict):
        return  # true and false are schemas, and the meta-schema refuses the rest
    for keyword in schema:
        if keyword not in _ALL and not str(keyword).startswith("x-"):
            near = get_close_matches(str(keyword), _ALL, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else "notes begin with 'x-'"
            raise ConfigurationError(f"{place or '/'}: unknown keyword {str(keyword)[:80]!r}; {remedy}")
    _check_references(schema, place)
    for step, below in _subschemas(schema):
        _check(below, f"{place}/{step}", depth + 1)


def _check_references(schema: dict[str, object], place: str) -> None:
    if schema.get("$schema", DIALECT) != DIALECT:
        raise ConfigurationError(f"{place or '/'}: the schema is of another version; rewrite it for {DIALECT}")
    if place and "$id" in schema:
        raise ConfigurationError(
            f"{place}: only the whole schema may have an $id; remove it, and refer by #/$defs/NAME"
        )
    for keyword in ("$ref", "$dynamicRef"):
        target = schema.get(keyword, "#")
        if not (isinstance(target, str) and (target.startswith("#") or target == DIALECT)):
            raise ConfigurationError(
                f"{place or '/'}: {keyword} refers to another document, and none is ever fetched; "
                "copy it into $defs, and refer to it by #/$defs/NAME"
            )


def _subschemas(schema: dict[str, object]) -> Iterator[tuple[str, object]]:
    for keyword, value in schema.items():
        if keyword in _ONE:
            yield keyword, value
        elif keyword in _LIST and isinstance(value, list):
            yield from ((f"{keyword}/{index}", below) for index, below in enumerate(value))
        elif keyword in _MAP and isinstance(value, dict):
            yield from ((f"{keyword}/{name}", below) for name, below in value.items())
