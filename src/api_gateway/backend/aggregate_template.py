"""Aggregate template: the path of a part's request, with places for values.

    /orders/{id}                        a path parameter of the route
    /users/{order.user_id}              out of another part's answer; a number is a position in a list
    /products/{item.product_id}         out of the current element of `for_each`; `{item}` is the element itself
    /orders?page={query.page=1}         out of the client's query, or 1; `{header.x-tenant}` likewise
    /carts/{identity.subject}           who calls, as proved; also `consumer` and `tier`

Rule: a value fills its place and nothing else. It is percent-encoded but for unreserved characters, so a slash in it
stays data; and the finished path must be in canonical form (`core/canonical_path.py`), so `..`, a control character
or `../x` is refused and not resolved. What is missing, null, an object or a list fits no place. Nor does empty text
in the path, where `/users/` would be all users.

What it does not do: say which part must come first (`aggregate_plan.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote

from api_gateway.core.canonical_path import canonical_path
from api_gateway.core.errors import BadRequest, ConfigurationError

Values: TypeAlias = Mapping[str, object]
"""What templates and expressions can refer to, by the first name of a reference."""

WITH_DEFAULTS = frozenset({"query", "header"})
"""What a client may leave out; only these may have a default."""

_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)((?:\.[A-Za-z0-9_\-]+)*)(?:=([^{}?]*))?\}")
_QUERY = re.compile(r"[!-\"$-z|~]*")
_MISSING = object()


class UnfitValue(ValueError):
    """A value that cannot stand where the template wants it."""

    def __init__(self, reference: str, reason: str) -> None:
        """`reference` is what the template names; the value itself is never shown."""
        super().__init__(f"{reference} {reason}")
        self.reference = reference

    @property
    def source(self) -> str:
        """The first name of the reference."""
        return self.reference.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Reference:
    """A place and what fills it."""

    source: str
    """A path parameter, a part, or `item`, `query`, `header` or `identity`."""
    steps: tuple[str, ...]
    """The way to the value inside of it."""
    default: str | None = None

    def __str__(self) -> str:
        return ".".join((self.source, *self.steps))

    def text(self, values: Values) -> str:
        """The value, as text.

        Raises:
            UnfitValue: there is none, or it is neither text nor a number nor a boolean.
        """
        found = values.get(self.source, _MISSING)
        for step in self.steps:
            found = _inside(found, step)
        if found is _MISSING or found is None:
            if self.default is not None:
                return self.default
            raise UnfitValue(str(self), "is missing" if found is _MISSING else "is null")
        if isinstance(found, str):
            return found
        if isinstance(found, bool):
            return "true" if found else "false"
        if isinstance(found, int | float):
            return str(found)
        raise UnfitValue(str(self), "is neither text nor a number")


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed path; make it with `parse`."""

    written: str
    references: tuple[Reference, ...]
    _literals: tuple[str, ...]
    """Around the references: one more than there are of these."""
    _in_query: tuple[bool, ...]

    @classmethod
    def parse(cls, written: str) -> Template:
        """Read a template.

        Raises:
            ConfigurationError: it is not a canonical path with places.
        """
        path, _, query = written.partition("?")
        literal = _PLACE.sub("p", path)
        for bad in "{}":
            if bad in literal or bad in _PLACE.sub("", query):
                raise ConfigurationError(f"{written!r} has a {bad!r} that belongs to no {{name}}, {{part.member}}")
        try:
            clean = canonical_path(literal) == literal
        except BadRequest as error:
            raise ConfigurationError(f"{written!r}: {error.detail.removesuffix('.')}") from None
        if not clean:
            raise ConfigurationError(f"{written!r} is not in canonical form")
        if not _QUERY.fullmatch(_PLACE.sub("", query)):
            raise ConfigurationError(f"the query of {written!r} holds a character that must be percent-encoded")
        places = [*_PLACE.finditer(written)]
        references = tuple(_reference(place) for place in places)
        ends = [0, *(place.end() for place in places)]
        starts = [*(place.start() for place in places), len(written)]
        literals = tuple(written[end:start] for end, start in zip(ends, starts, strict=True))
        return cls(written, references, literals, tuple(place.start() > len(path) for place in places))

    @property
    def sources(self) -> frozenset[str]:
        """The first names of all references."""
        return frozenset(reference.source for reference in self.references)

    def fill(self, values: Values) -> tuple[str, str]:
        """The path in canonical form, and the query.

        Raises:
            UnfitValue: a value does not fit its place.
        """
        pieces = [self._literals[0]]
        for reference, in_query, literal in zip(self.references, self._in_query, self._literals[1:], strict=True):
            pieces += (_encoded(reference, reference.text(values), in_query), literal)
        path, _, query = "".join(pieces).partition("?")
        if self.references:
            self._check(path)
        return path, query

    def _check(self, path: str) -> None:
        try:
            if canonical_path(path) == path:
                return
        except BadRequest:
            pass
        in_path = [
            reference for reference, in_query in zip(self.references, self._in_query, strict=True) if not in_query
        ]
        raise UnfitValue(str(in_path[0]), "would change the path")


def _reference(place: re.Match[str]) -> Reference:
    source, steps, default = place.groups()
    if default is not None and source not in WITH_DEFAULTS:
        raise ConfigurationError(f"{place.group()} has a default; only query and header can have one")
    return Reference(source, tuple(steps.split(".")[1:]), default)


def _encoded(reference: Reference, text: str, in_query: bool) -> str:
    if not text and not in_query:
        raise UnfitValue(str(reference), "is empty")
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise UnfitValue(str(reference), "is not valid Unicode") from None


def _inside(value: object, step: str) -> object:
    if isinstance(value, Mapping):
        return value.get(step, _MISSING)
    if isinstance(value, list) and step.isdecimal() and step.isascii() and len(step) < 10 and int(step) < len(value):
        return value[int(step)]
    return _MISSING
