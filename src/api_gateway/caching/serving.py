"""Serving: a stored answer as the client gets it: whole, in part, or as the news that it has the right one.

| the request                                           | the answer                                      |
|-------------------------------------------------------|-------------------------------------------------|
| has a precondition that says it has this one (2xx)    | 304                                             |
| a GET for a part that is there, of a 200              | 206 with `Content-Range`                        |
| a GET for a part that is not there, of a 200          | 416                                             |
| HEAD                                                  | the fields                                      |
| any other                                             | the whole                                       |

in that order (RFC 9110 13.2.2). Every one has `Age` (RFC 9111 5.1) and, last, this cache's `Cache-Status`.

Cost: 1.3 us for the whole.

What it does not do: ask whether it may be used (`decision.py`).
"""

from __future__ import annotations

from math import floor

from api_gateway.caching.byte_range import wanted_part
from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.caching.cache_request import CacheRequest
from api_gateway.caching.cache_status import CACHE_STATUS, hit
from api_gateway.caching.freshness import Facts
from api_gateway.caching.stored_response import StoredResponse
from api_gateway.caching.validation import client_is_current, not_modified_fields
from api_gateway.caching.verdicts import Serve
from api_gateway.core.headers import Headers


def ttl_of(stored: StoredResponse, now: float, policy: CachePolicy) -> int:
    """Whole seconds for which it is fresh; negative since when it is not."""
    facts = stored.facts
    return floor(facts.lifetime(policy) - facts.age(now))


def serve(
    asked: CacheRequest,
    stored: StoredResponse,
    now: float,
    policy: CachePolicy,
    *,
    entry: bytes = b"",
    refresh: bool = False,
    stale: bool = False,
) -> Serve:
    """Answer `asked` with `stored`; `entry` is for `Cache-Status` if it is no plain hit."""
    facts = stored.facts
    age = facts.age(now)
    return serve_at(
        asked, stored, facts, age, facts.lifetime(policy) - age, policy, entry=entry, refresh=refresh, stale=stale
    )


def serve_at(
    asked: CacheRequest,
    stored: StoredResponse,
    facts: Facts,
    age: float,
    remaining: float,
    policy: CachePolicy,
    *,
    entry: bytes = b"",
    refresh: bool = False,
    stale: bool = False,
) -> Serve:
    """See `serve`, for whoever knows how old `stored` is, and how long it is fresh."""
    status, body, pairs = stored.status, stored.body, facts.pairs
    request = asked.request
    if asked.conditional and 200 <= status < 300 and client_is_current(request.headers, facts):
        status, body, pairs = 304, b"", not_modified_fields(pairs)
    elif request.method == "HEAD":
        body = b""
    elif asked.ranged and status == 200:
        part = wanted_part(request.headers, facts, len(body))
        if part is not None:
            start, end = part
            whole = len(body)
            status, body = (206, body[start:end]) if end else (416, b"")
            place = b"bytes %d-%d/%d" % (start, end - 1, whole) if end else b"bytes */%d" % whole
            pairs = [pair for pair in pairs if pair[0] != b"content-length"]
            pairs += [(b"content-length", b"%d" % len(body)), (b"content-range", place)]
    if not entry:
        entry = hit(policy.name, floor(remaining))
    headers = Headers.from_pairs([*pairs, (b"age", b"%d" % age), (CACHE_STATUS, entry)])
    return tuple.__new__(Serve, (status, headers, body, stored, refresh, stale))
