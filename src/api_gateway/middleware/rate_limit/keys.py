"""Rate-limit keys: whose quota a request spends.

| key         | is                                                     | where there is none                |
|-------------|--------------------------------------------------------|------------------------------------|
| client_ip   | the client's address, as far as trusted proxies vouch  | 403; but see below for in-process  |
| identity    | who authentication has proved to be calling            | 403: authentication must come first|
| route       | the name of the route                                  | 404 or 405, as the router says     |
| header:NAME | the value of a header                                  | 400                                |

Rule: no key is ever empty. One bucket for all who bring none would let any of them lock out the others,
and one without a limit would be the way around it; so a request without its key is refused. Nor may a
header stand there twice: the gateway would count one value and the service might read the other.

An IPv6 client is its /64, because that is the least a provider gives out: with the full address anybody
has 2 ** 64 buckets. IPv4 mapped into IPv6 is the IPv4 address; ports, brackets and zones do not count.
In-process there is no address, but just one caller, the program itself: that is a key too.

What clients choose (headers) or an issuer does (identities) is kept as its BLAKE2 hash of 128 bits: of one
length, however long the value, and no secret lies about in the table or the shared store. A key of several
parts states the length of each, so no two combinations are the same text.

A header is only as good as its check: whoever can make up values has a new quota with each. Limit by
address too, or let authentication come first and limit by identity.

Cost: an IPv4 address, nothing; others a cached look-up. Values too long to be honest are not cached.

What it does not do: log a key, ever.

Source: RFC 6177 (what providers give out); RFC 4291 2.5.5.2 (mapped addresses).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import TypeAlias

from api_gateway.core.errors import BadRequest, CallerUnknown
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.middleware.addresses import LONGEST_ENTRY, subscriber

KeyFunction: TypeAlias = Callable[[Request, RequestContext], str]
"""The key of a request, never empty; raises ClientError where there is none."""

RouteFinder: TypeAlias = Callable[[Request], str]
"""The name of the route a request will take; raises NotFound or MethodNotAllowed where there is none."""

IN_PROCESS = "in-process"
"""The key of the program itself."""

_REMEMBERED = 4096
_LONGEST_REMEMBERED = 128  # characters: of a token; longer ones are hashed anew each time


def by_client_ip(request: Request, context: RequestContext) -> str:
    """The client's address, an IPv6 one without its last 64 bits.

    Raises:
        CallerUnknown: the connection has no address, as on a Unix-domain socket.
    """
    address = context.client_address
    if ":" not in address:
        return address or _without_address(context)
    return subscriber(address) if len(address) <= LONGEST_ENTRY else _hashed(address)


def by_identity(request: Request, context: RequestContext) -> str:
    """The proven identity.

    Raises:
        CallerUnknown: there is none (yet).
    """
    if context.identity is None:
        raise CallerUnknown("This needs a caller who is known.")
    return _hashed(context.identity.key)


class ByHeader:
    """The value of a header. A class, so that it can say its name."""

    __slots__ = ("_field", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._field = name.lower().encode("latin-1")

    def __call__(self, request: Request, context: RequestContext) -> str:
        """Raises BadRequest where the header is missing, empty, or there more than once."""
        field = self._field
        values = [value for name, value in request.headers.pairs if name == field]
        if len(values) != 1 or not values[0]:
            raise BadRequest(f"The header {self.name} must be there, once, with a value.")
        return _hashed(values[0].decode("latin-1"))


class ByRoute:
    """The name of the route; before the router has decided, `find` is asked."""

    __slots__ = ("_find",)

    def __init__(self, find: RouteFinder | None = None) -> None:
        self._find = find

    def __call__(self, request: Request, context: RequestContext) -> str:
        """Raises what the finder does, or CallerUnknown where there is none to ask."""
        if context.route:
            return context.route
        if self._find is None:
            raise CallerUnknown("The route is not known yet.")
        return self._find(request)


def combined(parts: Sequence[KeyFunction]) -> KeyFunction:
    """The key made of several; of one, that one."""
    if len(parts) == 1:
        return parts[0]

    def key(request: Request, context: RequestContext) -> str:
        values = [part(request, context) for part in parts]
        return "".join([f"{len(value)}:{value}" for value in values])

    return key


def _without_address(context: RequestContext) -> str:
    if not context.http_version:
        return IN_PROCESS
    raise CallerUnknown("The client's address is not known.")


def _hashed(value: str) -> str:
    return _remembered_hash(value) if len(value) <= _LONGEST_REMEMBERED else _hash(value)


def _hash(value: str) -> str:
    return blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


_remembered_hash = lru_cache(maxsize=_REMEMBERED)(_hash)
