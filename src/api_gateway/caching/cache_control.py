"""Cache-Control: what a request or an answer says about caching, read so that a mistake never widens it.

| found                                      | read as                                                    |
|--------------------------------------------|------------------------------------------------------------|
| `max-age=60`, `MAX-AGE=60`, `max-age="60"` | 60                                                         |
| `max-age=1h`, `='60'`, `=-1`, `= 60`, none | 0: an answer is stale (RFC 9111 4.2.1), a request validates |
| a number past 2^31                         | 2^31 (1.2.2)                                               |
| the same twice                             | the first (4.2.1)                                          |
| `no-store =x`, `private=""`, `private='a'` | the directive, for the whole answer                        |
| `no-cache="a, b"`, `private=a`             | for these fields only (5.2.2.4, 5.2.2.7)                   |
| an extension, with or without a value      | nothing; commas in its quotes do not count                 |
| quotes that do not end                     | `no-store`: nobody can tell what it says                   |
| a malformed grant (`stale-if-error=x`)     | nothing                                                    |
| a malformed `min-fresh`                    | more than any answer has                                   |

What a request's `Pragma: no-cache` means without Cache-Control is in `request_directives` (RFC 9111 5.4).

What it does not do: weigh directives against each other. `freshness.py`, `storability.py` and `stale.py` do.

Source: RFC 9111 sections 1.2.2, 4.2.1 and 5.2; RFC 5861; RFC 9110 section 5.6.4 (quoted strings).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

MOST_SECONDS = 2**31
"""What every longer time is read as (RFC 9111 1.2.2)."""

FieldNames: TypeAlias = frozenset[bytes]
"""Names of fields, in lower case."""

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_MEMBER = re.compile(rf'((?:[^",]|{_QUOTED})*)(?:,|$)', re.DOTALL)
_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_FIELD = r"[A-Za-z0-9!#$%&*+.^_`|~-]+"  # a token, less the single quotes that somebody takes for quotes
_FIELDS = re.compile(rf'"({_FIELD}(?:[ \t]*,[ \t]*{_FIELD})*)"|({_FIELD})')
_MALFORMED = -1
_NO_NAMES: FieldNames = frozenset()


@dataclass(frozen=True, slots=True)
class ResponseDirectives:
    """What an answer says. Times are seconds."""

    no_store: bool = False
    no_cache: bool = False
    """Never without validation."""
    no_cache_fields: FieldNames = _NO_NAMES
    """These fields never without validation."""
    private: bool = False
    private_fields: FieldNames = _NO_NAMES
    public: bool = False
    must_revalidate: bool = False
    proxy_revalidate: bool = False
    must_understand: bool = False
    max_age: int | None = None
    s_maxage: int | None = None
    stale_while_revalidate: int | None = None
    stale_if_error: int | None = None
    withheld: FieldNames = field(init=False)
    """Fields that must not be kept, or not be used without validation."""
    allows_stale: bool = field(init=False)
    """Whether it may ever be used stale (RFC 9111 4.2.4)."""

    def __post_init__(self) -> None:
        """Find what follows from the others: once for each text, as directives are remembered."""
        object.__setattr__(self, "withheld", self.private_fields | self.no_cache_fields)
        strict = self.no_cache or self.must_revalidate or self.proxy_revalidate or self.s_maxage is not None
        object.__setattr__(self, "allows_stale", not strict)


@dataclass(frozen=True, slots=True)
class RequestDirectives:
    """What a request says. Times are seconds."""

    no_store: bool = False
    no_cache: bool = False
    only_if_cached: bool = False
    max_age: int | None = None
    min_fresh: int = 0
    max_stale: int = 0
    stale_if_error: int | None = None


UNRESTRICTED = RequestDirectives()
"""A request that says nothing."""


def response_directives(lines: Iterable[str]) -> ResponseDirectives:
    """The directives in the Cache-Control lines of an answer."""
    found = tuple(lines)
    if not found:
        return _SILENT
    # Remembered, because the answers of one service say the same; longer ones would be memory for the asking.
    short = sum(map(len, found)) <= _LONGEST_REMEMBERED
    return _remembered_response(found) if short else _response_directives(found)


def _response_directives(lines: tuple[str, ...]) -> ResponseDirectives:
    found = _directives(lines)
    no_cache, no_cache_fields = _qualified(found, "no-cache")
    private, private_fields = _qualified(found, "private")
    return ResponseDirectives(
        no_store="no-store" in found,
        no_cache=no_cache,
        no_cache_fields=no_cache_fields,
        private=private,
        private_fields=private_fields,
        public="public" in found,
        must_revalidate="must-revalidate" in found,
        proxy_revalidate="proxy-revalidate" in found,
        must_understand="must-understand" in found,
        max_age=_at_least_zero(found, "max-age"),
        s_maxage=_at_least_zero(found, "s-maxage"),
        stale_while_revalidate=_if_well_formed(found, "stale-while-revalidate"),
        stale_if_error=_if_well_formed(found, "stale-if-error"),
    )


def request_directives(cache_control: Iterable[str], pragma: Iterable[str] = ()) -> RequestDirectives:
    """The directives of a request: of Cache-Control, or if there is none, of Pragma."""
    lines = tuple(cache_control)
    if not lines:
        return RequestDirectives(no_cache=True) if "no-cache" in _directives(pragma) else UNRESTRICTED
    short = sum(map(len, lines)) <= _LONGEST_REMEMBERED
    return _remembered_request(lines) if short else _request_directives(lines)


def _request_directives(lines: tuple[str, ...]) -> RequestDirectives:
    found = _directives(lines)
    min_fresh, max_stale = _first(found, "min-fresh"), _first(found, "max-stale")
    return RequestDirectives(
        no_store="no-store" in found,
        no_cache="no-cache" in found,
        only_if_cached="only-if-cached" in found,
        max_age=_at_least_zero(found, "max-age"),
        min_fresh=MOST_SECONDS if min_fresh == _MALFORMED else min_fresh or 0,
        max_stale=MOST_SECONDS if found.get("max-stale", [""])[0] is None else max(0, max_stale or 0),
        stale_if_error=_if_well_formed(found, "stale-if-error"),
    )


_LONGEST_REMEMBERED = 128
_SILENT = ResponseDirectives()


_remembered_response = lru_cache(maxsize=256)(_response_directives)
_remembered_request = lru_cache(maxsize=256)(_request_directives)


def _directives(lines: Iterable[str]) -> Mapping[str, list[str | None]]:
    """The values of each directive, in their quotes if they have any; None where there is no `=`."""
    found: dict[str, list[str | None]] = {}
    for line in lines:
        for member in _members(line):
            written, equals, value = member.partition("=")
            name = written.rstrip(" \t")
            if name != written:
                value = " " + value  # a space before `=` must not hide a restriction, nor be right
            found.setdefault(name.lower(), []).append(value if equals else None)
    return found


def _members(line: str) -> list[str]:
    if '"' not in line:
        return [stripped for member in line.split(",") if (stripped := member.strip(" \t"))]
    members: list[str] = []
    position = 0
    while position < len(line):
        match = _MEMBER.match(line, position)
        if match is None:
            return [*members, "no-store", "private"]
        position = match.end()
        if stripped := match[1].strip(" \t"):
            members.append(stripped)
    return members


def _seconds(value: str | None) -> int:
    """A number of seconds, or `_MALFORMED`."""
    if value is None:
        return _MALFORMED
    text = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    if not _DIGITS.fullmatch(text):
        return _MALFORMED
    digits = text.lstrip("0") or "0"
    return MOST_SECONDS if len(digits) > 10 else min(int(digits), MOST_SECONDS)


def _first(found: Mapping[str, list[str | None]], name: str) -> int | None:
    return _seconds(found[name][0]) if name in found else None


def _at_least_zero(found: Mapping[str, list[str | None]], name: str) -> int | None:
    seconds = _first(found, name)
    return None if seconds is None else max(0, seconds)


def _if_well_formed(found: Mapping[str, list[str | None]], name: str) -> int | None:
    seconds = _first(found, name)
    return None if seconds == _MALFORMED else seconds


def _qualified(found: Mapping[str, list[str | None]], name: str) -> tuple[bool, FieldNames]:
    """Whether the directive is there for the whole answer, and the fields for which it is there."""
    names: set[bytes] = set()
    for value in found.get(name, ()):
        fields = _FIELDS.fullmatch(value or "")
        if fields is None:
            return True, _NO_NAMES
        names.update(field.strip(" \t").lower().encode("ascii") for field in fields[fields.lastindex or 0].split(","))
    return False, frozenset(names)
