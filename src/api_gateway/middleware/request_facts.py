"""Request facts: what a template may say about a request.

| fact                     | is                                                                  | encoded |
|--------------------------|---------------------------------------------------------------------|---------|
| request_id, trace_id     | the names under which logs know it                                  |         |
| method, path, host       | as canonical; `host` as the client wrote it, with its port          |         |
| scheme, client_ip, route | http or https; the address as far as it is vouched for; the route   |         |
| now                      | wall-clock time, `2024-01-15T10:30:00.000Z` (RFC 3339)              |         |
| header.NAME              | every line of that header, joined with commas (RFC 9110 5.3)        |         |
| path.NAME                | the route's `{NAME}` segment, decoded                               | yes     |
| query.NAME               | the first value of that parameter, decoded                          | yes     |
| identity.subject         | who calls, as authentication proved; also consumer, issuer, tier    | yes     |
| identity.claims.NAME     | a claim of theirs; what is not text is written as JSON              | yes     |

Rule: a fact that is not there, or empty, is None. *Encoded* ones were decoded on their way here, so they may hold
anything: percent signs, too, have to be escaped where they are written, or a reader could not undo it.

Cost: a look at a slot, or one pass over the headers or the query.

What it does not do: trust what clients say. Only `identity` is proved; `header` and `query` are anybody's words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple, TypeAlias
from urllib.parse import unquote_plus

from api_gateway.core.clock import Clock
from api_gateway.core.identity import Identity
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.middleware.unknown_name import UnknownName

_HEADER = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class Seen(NamedTuple):
    """Where facts come from."""

    request: Request
    context: RequestContext
    clock: Clock


Reader: TypeAlias = Callable[[Seen], str | None]


class Fact(NamedTuple):
    """One thing that is known of a request."""

    read: Reader
    encoded: bool = False
    """Whether its value has been decoded, so that it must be encoded where it is written."""


def timestamp(clock: Clock) -> str:
    """The time now, in UTC, as RFC 3339 writes it, to the millisecond."""
    seconds, milliseconds = divmod(int(clock.wall() * 1000), 1000)
    return f"{_second(seconds)}.{milliseconds:03d}Z"


@lru_cache(maxsize=8)
def _second(seconds: int) -> str:
    # Remembered: many requests come in one second.
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def fact_named(name: str) -> Fact:
    """The fact that a template calls `name`.

    Raises:
        UnknownName: there is none.
    """
    if name in _PLAIN:
        return Fact(_PLAIN[name])
    kind, _, rest = name.partition(".")
    if kind == "identity" and rest in _OF_IDENTITY:
        return Fact(_identity(_OF_IDENTITY[rest]), encoded=True)
    if kind == "identity" and rest.startswith("claims.") and rest != "claims.":
        return Fact(_claim(rest.removeprefix("claims.")), encoded=True)
    if kind in _BY_NAME and rest and (kind != "header" or _HEADER.fullmatch(rest)):
        read, encoded = _BY_NAME[kind]
        return Fact(read(rest), encoded)
    raise UnknownName("name", name, KNOWN)


def _header(name: str) -> Reader:
    field = name.lower().encode("ascii")

    def read(seen: Seen) -> str | None:
        values = [value for each, value in seen.request.headers.pairs if each == field]
        return b", ".join(values).decode("latin-1") if values else None

    return read


def _path(name: str) -> Reader:
    return lambda seen: seen.context.path_parameters.get(name)


def _query(name: str) -> Reader:
    def read(seen: Seen) -> str | None:
        for pair in seen.request.query.split("&"):
            found, _, value = pair.partition("=")
            if unquote_plus(found) == name:
                return unquote_plus(value)
        return None

    return read


def _identity(attribute: Callable[[Identity], str]) -> Reader:
    def read(seen: Seen) -> str | None:
        return None if seen.context.identity is None else attribute(seen.context.identity)

    return read


def _claim(name: str) -> Reader:
    def read(seen: Seen) -> str | None:
        value = None if seen.context.identity is None else seen.context.identity.claims.get(name)
        if value is None or isinstance(value, str):
            return value
        try:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        except (TypeError, ValueError):  # a claim that only this program knows how to make
            return None

    return read


_PLAIN: Mapping[str, Reader] = {
    "client_ip": lambda seen: seen.context.client_address,
    "host": lambda seen: seen.request.headers.get("host"),
    "method": lambda seen: seen.request.method,
    "now": lambda seen: timestamp(seen.clock),
    "path": lambda seen: seen.request.path,
    "request_id": lambda seen: seen.context.request_id,
    "route": lambda seen: seen.context.route,
    "scheme": lambda seen: seen.context.scheme,
    "trace_id": lambda seen: seen.context.trace_id,
}
_OF_IDENTITY: Mapping[str, Callable[[Identity], str]] = {
    "consumer": lambda identity: identity.consumer,
    "issuer": lambda identity: identity.issuer,
    "subject": lambda identity: identity.subject,
    "tier": lambda identity: identity.tier,
}
_BY_NAME: Mapping[str, tuple[Callable[[str], Reader], bool]] = {
    "header": (_header, False),
    "path": (_path, True),
    "query": (_query, True),
}

KNOWN = (
    *_PLAIN,
    *(f"identity.{name}" for name in _OF_IDENTITY),
    "identity.claims.NAME",
    *(f"{k}.NAME" for k in _BY_NAME),
)
"""What templates may say, for a remedy."""
