"""Cache request: what a request asks of the cache, read once, in one pass over its fields.

Some requests are not looked up at all; `bypass` then says so. In order:

| the request                                                  | because                                            |
|--------------------------------------------------------------|----------------------------------------------------|
| is no GET or HEAD                                            | only these are cached                              |
| has a body, or a field that overrides its method or path     | the answer depends on what no key holds            |
| comes from a known caller, and the policy says `bypass`      | the answer may be for this caller alone            |
| says `no-store`                                              | nothing of it may be kept (RFC 9111 5.2.1.5)       |
| has `If-Match` or `If-Unmodified-Since`                      | they are for the origin to judge (RFC 9111 4.3.2)  |

Rule: what a bypassed request is answered is never stored; a non-error answer to an unsafe one still invalidates.
One that also says `only-if-cached` is not passed on either.

Cost: 1 us for eight fields (timeit), 2 us more with a digest in the key.

What it does not do: look at what is stored (`decision.py`).
"""

from __future__ import annotations

from typing import NamedTuple

from api_gateway.caching.cache_control import UNRESTRICTED, RequestDirectives, request_directives
from api_gateway.caching.cache_key import key_of, uri_of
from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.caching.verdicts import Forward, Reason, Unsatisfiable
from api_gateway.core.identity import Identity
from api_gateway.core.request import Request

_OVERRIDES = frozenset(
    {b"x-http-method", b"x-http-method-override", b"x-method-override", b"x-original-url", b"x-rewrite-url"}
)
_FOR_THE_ORIGIN = frozenset({b"if-match", b"if-unmodified-since"})
_TELLING = (
    frozenset({b"authorization", b"cache-control", b"if-modified-since", b"if-none-match", b"pragma", b"range"})
    | _OVERRIDES
    | _FOR_THE_ORIGIN
)
"""What makes a request more than a plain one for a target."""
_READ = _TELLING | {b"host", b"x-forwarded-host"}


class CacheRequest(NamedTuple):
    """A request, and what concerns the cache about it."""

    request: Request
    scheme: str
    uri: str
    """The target, as it stands in keys."""
    key: str
    """What to ask the store for."""
    directives: RequestDirectives
    conditional: bool
    """Whether it has `If-None-Match` or `If-Modified-Since`."""
    ranged: bool
    """Whether it asks for a part."""
    authorized: bool
    """Whether it has `Authorization`, and neither the key nor the policy accounts for it (RFC 9111 3.5)."""
    bypass: Forward | Unsatisfiable | None
    """Not None if the store is not to be asked."""


def cache_request(request: Request, scheme: str, identity: Identity | None, policy: CachePolicy) -> CacheRequest:
    """Read `request`, which has passed `core/canonical_request.py`; `identity` is its proven caller."""
    method, path, query, headers, body = request
    raw_host = b""
    telling = forwarded = False
    for name, value in headers.pairs:  # half of what a dictionary of them takes
        if name in _READ:
            if name == b"host":
                raw_host = value
            elif name == b"x-forwarded-host":
                forwarded = True
            else:
                telling = True
    host = raw_host.decode("latin-1")
    uri = uri_of(scheme, host, path, query, policy)
    forwarded_host = ""
    if forwarded:
        forwarded_host = ", ".join(headers.get_all("x-forwarded-host"))
        if forwarded_host == host:
            forwarded_host = ""
    own = identity if policy.identified == "separate" else None
    key = key_of(uri, policy, own, forwarded_host, headers)
    if method == "GET" and identity is None and body == b"" and not telling:
        return tuple.__new__(CacheRequest, (request, scheme, uri, key, UNRESTRICTED, False, False, False, None))
    return _particular(request, scheme, uri, key, identity, policy)


def _particular(
    request: Request, scheme: str, uri: str, key: str, identity: Identity | None, policy: CachePolicy
) -> CacheRequest:
    """A request that says more about itself than its target."""
    method, headers, body = request.method, request.headers, request.body
    fields = dict(headers.pairs)
    directives = UNRESTRICTED
    if b"cache-control" in fields or b"pragma" in fields:
        directives = request_directives(headers.get_all("cache-control"), headers.get_all("pragma"))
        if not policy.obey_requests:
            directives = RequestDirectives(no_store=directives.no_store, only_if_cached=directives.only_if_cached)
    bypass: Forward | Unsatisfiable | None = None
    reason: Reason | None = None
    if method != "GET" and method != "HEAD":
        reason = "method"
    elif body != b"" or not _OVERRIDES.isdisjoint(fields) or (identity is not None and policy.identified == "bypass"):
        reason = "bypass"
    elif directives.no_store or not _FOR_THE_ORIGIN.isdisjoint(fields):
        reason = "request"
    if reason is not None:
        refused = directives.only_if_cached and reason != "method"
        bypass = Unsatisfiable(reason) if refused else Forward(request, reason)
    return CacheRequest(
        request,
        scheme,
        uri,
        key,
        directives,
        b"if-none-match" in fields or b"if-modified-since" in fields,
        b"range" in fields,
        b"authorization" in fields and (identity is None or policy.identified == "bypass"),
        bypass,
    )
