"""After an answer: what becomes of it, and of what is stored.

In order, the first that applies:

| if                                                                                  | then                           |
|-------------------------------------------------------------------------------------|--------------------------------|
| the method is not safe: answered without error; with one                            | Invalidate; Nothing            |
| the request was not looked up                                                       | Nothing                        |
| 304 to our validators, for what is stored                                           | Merge, and serve the update    |
| 304 to our validators, for something else                                           | Refetch                        |
| 500, 502, 503, 504, or no answer, and the stored one is within `stale-if-error`     | Serve, stale                   |
| 200 to HEAD, of what is stored; of something else                                   | Merge; Invalidate              |
| it may be kept (`storability.py`)                                                   | Store                          |
| it may not, and says that what is stored is out of date (2xx, 3xx, 404, 410)        | Invalidate (RFC 9111 4.3.3)    |
| otherwise                                                                           | Nothing                        |

Rule: decided on the head. `Store` takes effect when the body has come to its end; a cut one is never kept.

Cost: 2 us for an answer that is stored the short way (`plain_answer.py`), as most; 9 us for any other (best of fifteen
runs of 2,000, six fields).

What it does not do: read bodies, or touch the store.

Source: RFC 9111 sections 3, 4.3.3 to 4.3.5 and 4.4; RFC 5861 section 4.
"""

from __future__ import annotations

from math import floor

from api_gateway.caching.cache_control import response_directives
from api_gateway.caching.cache_key import tag_of
from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.caching.cache_request import CacheRequest
from api_gateway.caching.cache_status import forwarded
from api_gateway.caching.invalidation import SAFE_METHODS, invalidated
from api_gateway.caching.plain_answer import plain_outcome
from api_gateway.caching.serving import serve, ttl_of
from api_gateway.caching.stale import FAILURES, if_error, kept_for
from api_gateway.caching.storability import TAG_FIELDS, kept_fields, tags_of, why_not_stored
from api_gateway.caching.stored_response import StoredResponse
from api_gateway.caching.validation import head_agrees, is_about, updated_fields
from api_gateway.caching.vary import selecting_fields, vary_names
from api_gateway.caching.verdicts import (
    NEVER_USED,
    Forward,
    Invalidate,
    Merge,
    Nothing,
    Outcome,
    Refetch,
    Serve,
    Store,
    Validate,
)
from api_gateway.core.headers import Headers
from api_gateway.core.request import Body

_OUT_OF_DATE = frozenset({404, 410})
_SAYS_NOTHING = frozenset({206, 304})  # about the whole that is stored


def after_answer(
    asked: CacheRequest,
    decision: Validate | Forward,
    status: int,
    headers: Headers,
    asked_at: float,
    answered_at: float,
    policy: CachePolicy,
    body: Body = b"",
) -> Outcome:
    """What becomes of the answer to `decision.request`; both times are the wall clock's, of sending and of its head.

    A `body` that is all there already is kept with it; it decides nothing.
    """
    method = asked.request.method
    if method not in SAFE_METHODS:
        return invalidated(asked, status, headers, policy) or Nothing("it is the answer to a change")
    if asked.bypass is not None:
        return Nothing("the request is not looked up")
    stored = decision.stored
    if status == 304 and isinstance(decision, Validate):
        if not is_about(decision.stored, headers):
            return Refetch(asked.request)
        return _freshened(asked, decision, headers, asked_at, answered_at, policy)
    if status in FAILURES:
        instead = after_failure(asked, decision, status, answered_at, policy)
        if instead is not None:
            return instead
    if method == "HEAD":
        return _about_the_whole(asked, stored, status, headers, asked_at, answered_at, policy)
    whole = body if isinstance(body, bytes) else b""
    first = dict(headers.pairs)
    outcome: Store | Nothing | None = None
    if len(first) == len(headers.pairs):
        outcome = plain_outcome(asked, status, headers, first, whole, asked_at, answered_at, policy)
    if outcome is None:
        outcome = _stored(asked, status, headers, whole, asked_at, answered_at, policy)
    if stored is not None and isinstance(outcome, Nothing):
        replaces = (200 <= status < 400 and status not in _SAYS_NOTHING) or status in _OUT_OF_DATE
        if replaces:
            return Invalidate((asked.key,))
    return outcome


def after_failure(
    asked: CacheRequest, decision: Validate | Forward, status: int, now: float, policy: CachePolicy
) -> Serve | None:
    """A stale answer in place of a failure, which the gateway would report as `status`; None if there is none."""
    stored = decision.stored
    if stored is None or status not in FAILURES:
        return None
    facts = stored.facts
    staleness = facts.age(now) - facts.lifetime(policy)
    allowed = if_error(facts, asked.directives, policy)
    if allowed <= 0 or staleness >= allowed:
        return None
    ttl = ttl_of(stored, now, policy)
    entry = forwarded(policy.name, decision.reason, status=status, ttl=ttl, detail="stale-if-error")
    return serve(asked, stored, now, policy, entry=entry, stale=staleness >= 0)


def _stored(
    asked: CacheRequest,
    status: int,
    headers: Headers,
    body: bytes,
    asked_at: float,
    answered_at: float,
    policy: CachePolicy,
) -> Store | Nothing:
    first = _first(headers)
    directives = response_directives(headers.get_all("cache-control"))
    cookies = policy.store_set_cookie
    why = why_not_stored(status, first, directives, authorized=asked.authorized, cookies=cookies)
    if why:
        return Nothing(why)
    vary = vary_names(headers) if b"vary" in first else ()
    if vary is None:
        return Nothing("Vary: *")
    tags = () if TAG_FIELDS.isdisjoint(first) else tags_of(headers)
    head = StoredResponse(
        status,
        kept_fields(headers, first, directives, answered_at),
        body,
        asked_at,
        answered_at,
        selecting_fields(vary, asked.request.headers),
        tags if asked.key == asked.uri else (*tags, tag_of(asked.uri)),
    )
    facts = head.read(directives)
    useful = kept_for(facts, answered_at, policy)
    if useful <= 0:
        return NEVER_USED
    remaining = facts.lifetime(policy) - facts.age(answered_at)
    return Store(
        head,
        useful,
        floor(remaining),
        remaining > 0 and not directives.no_cache,
        first.get(b"content-length"),
        not TAG_FIELDS.isdisjoint(first),
    )


def _about_the_whole(
    asked: CacheRequest,
    stored: StoredResponse | None,
    status: int,
    headers: Headers,
    asked_at: float,
    answered_at: float,
    policy: CachePolicy,
) -> Merge | Invalidate | Nothing:
    """What the answer to a HEAD says about what is stored."""
    if status != 200 or stored is None or stored.status != 200:
        return Nothing("it has no body")
    if not head_agrees(stored, headers):
        return Invalidate((asked.key,))
    merged = _merged(asked, stored, headers, asked_at, answered_at, policy)
    return Merge(*merged, None) if merged[1] else Nothing("no-store")


def _first(headers: Headers) -> dict[bytes, bytes]:
    """The first line of each field, found in one step: a look for each of them would go through all."""
    return dict(reversed(headers.pairs))


def _freshened(
    asked: CacheRequest,
    decision: Validate,
    headers: Headers,
    asked_at: float,
    answered_at: float,
    policy: CachePolicy,
) -> Merge:
    fresh, lifetime = _merged(asked, decision.stored, headers, asked_at, answered_at, policy)
    ttl = ttl_of(fresh, answered_at, policy)
    entry = forwarded(policy.name, decision.reason, status=304, ttl=ttl, stored=lifetime > 0)
    answer = serve(asked, fresh, answered_at, policy, entry=entry)
    if "set-cookie" in headers and "set-cookie" not in fresh.headers:
        cookies = [pair for pair in headers.pairs if pair[0] == b"set-cookie"]
        answer = answer._replace(headers=Headers.from_pairs(cookies + answer.headers.pairs))
    return Merge(fresh, lifetime, answer)


def _merged(
    asked: CacheRequest,
    stored: StoredResponse,
    newer: Headers,
    asked_at: float,
    answered_at: float,
    policy: CachePolicy,
) -> tuple[StoredResponse, float]:
    """`stored` with the fields of a newer head, and how long it may be kept; 0 if it must not be."""
    newer = kept_fields(newer, _first(newer), response_directives(()), answered_at)
    if not policy.store_set_cookie:
        newer = newer.without("set-cookie")
    fields = updated_fields(stored, newer)
    first = _first(fields)
    directives = response_directives(fields.get_all("cache-control"))
    vary = vary_names(fields)
    fresh = StoredResponse(
        stored.status,
        kept_fields(fields, first, directives, answered_at),
        stored.body,
        asked_at,
        answered_at,
        stored.selecting if vary is None else selecting_fields(vary, asked.request.headers),
        stored.tags,
    )
    cookies = policy.store_set_cookie
    if vary is None or why_not_stored(stored.status, first, directives, authorized=asked.authorized, cookies=cookies):
        return fresh, 0.0
    return fresh, kept_for(fresh.facts, answered_at, policy)
