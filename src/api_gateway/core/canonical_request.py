"""Canonical request: the gateway's first step, before any policy or routing sees the request.

Rule: what leaves here has exactly one reading. The path is canonical (`canonical_path.py`); there
is one valid `Host`; the headers that belong to the client's own connection are gone, those that
`Connection` names too. They go *now*, before the gateway adds headers of its own: removed later,
`Connection: X-User-Id` would make the gateway strip its own statement of who is calling.

Also dropped: names with an underscore, which many servers read as the same name with a hyphen
(`X_User_Id` would pose as `X-User-Id`); `Expect`, which the gateway answers itself; and what only the gateway may
tell a service (`EXPECTED_TIMEOUT`, `IDENTITY_HEADERS`).

Refused: TRACE and CONNECT (405); two or invalid `Host`s, or none on HTTP/1.1; a transfer coding
other than chunked, or any on HTTP/1.0 (400); an expectation other than 100-continue (417).

What it does not do: limit sizes or parse bytes. The server does that before a request exists.

Source: RFC 9110 section 7.6.1 (hop-by-hop), 10.1.1 (Expect); RFC 9112 3.2 (Host), 6.1 (framing).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable
from functools import lru_cache

from api_gateway.core.canonical_path import canonical_path
from api_gateway.core.errors import BadRequest, ExpectationFailed, MethodNotAllowed
from api_gateway.core.headers import HeaderPairs, Headers
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Fields that speak about one connection and are never passed on (RFC 9110 7.6.1)."""

EXPECTED_TIMEOUT = b"x-envoy-expected-rq-timeout-ms"
"""How long anybody will wait for the answer: the gateway's to say (`middleware/remaining_deadline.py`), no client's."""

IDENTITY_HEADERS = frozenset({b"x-consumer", b"x-user-id", b"x-user-roles", b"x-user-scopes"})
"""Who is calling: the gateway's to say (`auth/identity_headers.py`), no client's."""

FORWARDABLE_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")

_NEVER_FORWARDED = frozenset({"TRACE", "CONNECT"})
_SPECIAL = HOP_BY_HOP | IDENTITY_HEADERS | {b"expect", EXPECTED_TIMEOUT}
# Naming one of these in Connection must not remove it: the message would change its meaning, or
# lose what the gateway's own request id layer, which stands further out, has just written.
_NEVER_NAMED = frozenset({b"host", b"content-length", b"x-request-id", b"traceparent"})
_KEEP_ALIVE = (b"connection", b"keep-alive")
_HOST = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_LONGEST_HOST = 253 + len(":65535")  # of a DNS name (RFC 1035 2.3.4); also bounds the cache below
_QUERY = re.compile(r"[\x21-\x22\x24-\x7e]*")


def canonical_request(request: Request, context: RequestContext, call_next: Handler) -> Awaitable[Response]:
    """Middleware: hand on the one reading of `request`.

    Raises:
        ClientError: there is no single reading; see the module's list.
    """
    method, path, query, headers, body = request
    if method in _NEVER_FORWARDED:
        raise MethodNotAllowed(list(FORWARDABLE_METHODS))
    if query and not _QUERY.fullmatch(query):
        raise BadRequest("The query holds a character that must be percent-encoded.")
    canonical = canonical_path(path)
    end_to_end = _end_to_end_headers(headers, context.http_version)
    if canonical is not path or end_to_end is not headers:
        request = Request.from_parts(method, canonical, query, end_to_end, body)
    return call_next(request, context)


def without_hop_by_hop(pairs: HeaderPairs) -> HeaderPairs:
    """The fields less the hop-by-hop ones and those named by `Connection`."""
    dropped = HOP_BY_HOP.union(*[_named_by_connection(value) for name, value in pairs if name == b"connection"])
    return [pair for pair in pairs if pair[0] not in dropped]


def _end_to_end_headers(headers: Headers, http_version: str) -> Headers:
    # Written for speed, it runs for every request: what can be asked of all names at once is.
    pairs = headers.pairs
    names = [name for name, _ in pairs]
    special = _SPECIAL.intersection(names)
    if _KEEP_ALIVE in pairs and len(special) == 1 and names.count(b"connection") == 1:
        pairs = [*pairs]  # what most browsers send: it names nothing
        pairs.remove(_KEEP_ALIVE)
    elif special:
        pairs = _stripped(pairs, special, http_version)
    if b"".join(names).find(b"_") >= 0:  # `in` takes longer: it asks first whether b"_" is a number
        pairs = [pair for pair in pairs if b"_" not in pair[0]]
    hosts = names.count(b"host")
    if hosts == 1:
        _check_host(headers.pairs[names.index(b"host")][1])
    elif hosts > 1:
        raise BadRequest("There is more than one Host header.")
    elif http_version == "1.1":
        raise BadRequest("The Host header is missing.")
    return headers if pairs is headers.pairs else Headers.from_pairs(pairs)


def _stripped(pairs: HeaderPairs, special: frozenset[bytes], http_version: str) -> HeaderPairs:
    dropped = special.union(*[_named_by_connection(value) for name, value in pairs if name == b"connection"])
    if len(special) > 1 or b"connection" not in special:
        for name, value in pairs:
            if name == b"transfer-encoding":
                _check_transfer_coding(value, http_version)
            elif name == b"expect" and value.lower() != b"100-continue":
                raise ExpectationFailed("The only expectation understood is 100-continue.")
    return [pair for pair in pairs if pair[0] not in dropped]


def _named_by_connection(value: bytes) -> frozenset[bytes]:
    # Only what is as short as honest values is remembered: long ones would be memory for the asking.
    return _names_in(value) if len(value) <= 64 else _names_in.__wrapped__(value)


@lru_cache(maxsize=64)
def _names_in(value: bytes) -> frozenset[bytes]:
    return frozenset(token.strip().lower() for token in value.split(b",")) - _NEVER_NAMED


def _check_host(value: bytes) -> None:
    if len(value) > _LONGEST_HOST or not _is_host(value):
        raise BadRequest("The Host header is not a valid host name with an optional port.")


@lru_cache(maxsize=1024)
def _is_host(value: bytes) -> bool:
    # Cached: few names come, each of them with every request.
    return _HOST.fullmatch(value) is not None


def _check_transfer_coding(value: bytes, http_version: str) -> None:
    if http_version == "1.0":
        raise BadRequest("HTTP/1.0 has no transfer codings.")
    if value.lower() != b"chunked":
        raise BadRequest("The only transfer coding understood is chunked.")
