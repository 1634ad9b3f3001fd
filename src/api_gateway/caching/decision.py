"""Decision: a request, what is stored for it, and the time; what to do before the service is asked.

In order, the first that applies:

| if                                                                              | then                          |
|---------------------------------------------------------------------------------|-------------------------------|
| the request is not looked up (`cache_request.py`)                               | Forward                       |
| nothing is stored for the URI; nothing with the same fields that `Vary` names   | Forward `uri-miss`, `vary-miss` |
| of several the newest by Date is taken (RFC 9111 4.1); from here on, that one   |                               |
| it is fresh, also by the request's `max-age` and `min-fresh`, and nobody says `no-cache` | Serve                |
| likewise, but its end is near and the dice say so (`early_refresh.py`)          | Serve, refresh                |
| it is stale, by no more than the request's `max-stale`                          | Serve, stale                  |
| it is stale, within `stale-while-revalidate`                                    | Serve, stale, refresh         |
| it has a validator, and the method is GET                                       | Validate                      |
| otherwise                                                                       | Forward `stale`, `request`    |

Where this says Forward or Validate and the request says `only-if-cached`, it is Unsatisfiable. `Serve` may still be a
304, 206 or 416 (`serving.py`). A HEAD is never turned into a GET: its own answer may freshen what is stored, too.

Collapsible is what others may wait for: a GET of the whole, without the client's own conditions, restrictions or
Authorization, for what may be fresh for some time. All else would only hold up those who wait.

Cost: 3 us for a hit, a third of it reading the request (timeit, eight request fields, six of the answer).

What it does not do: look into the store, or wait. `now` is the wall clock's, in seconds, and passed in.

Source: RFC 9111 section 4; RFC 5861.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from api_gateway.caching.cache_control import UNRESTRICTED
from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.caching.cache_request import CacheRequest
from api_gateway.caching.early_refresh import FARTHEST, refreshes_early
from api_gateway.caching.freshness import Facts
from api_gateway.caching.serving import serve_at
from api_gateway.caching.stale import while_revalidating
from api_gateway.caching.stored_response import StoredResponse
from api_gateway.caching.validation import unconditional, validating
from api_gateway.caching.vary import agrees
from api_gateway.caching.verdicts import Decision, Forward, Reason, Serve, Unsatisfiable, Validate

_MOST_EFFORT = 0.05
"""Of its lifetime, what an answer's effort counts for at most: a slow, short one would be refreshed all the time."""


def decide(
    asked: CacheRequest, variants: Sequence[StoredResponse], now: float, policy: CachePolicy, random: Random
) -> Decision:
    """What to do about `asked`; `variants` are what the store has under its key."""
    if asked.bypass is not None:
        return asked.bypass
    stored = _newest(asked, variants) if variants else None
    if stored is None:
        reason: Reason = "vary-miss" if variants else "uri-miss"
        return _ask(asked, None, reason, collapsible=True)
    facts = stored.facts
    age = facts.age(now)
    remaining = facts.lifetime(policy) - age
    usable = _serve(asked, stored, facts, age, remaining, policy, random)
    if usable is not None:
        return usable
    reason = "request" if remaining > 0 and not facts.directives.no_cache else "stale"
    worth_waiting = facts.explicit != 0 and not facts.directives.no_cache
    return _ask(asked, stored, reason, collapsible=worth_waiting)


def refresh(asked: CacheRequest, stored: StoredResponse) -> tuple[CacheRequest, Validate | Forward]:
    """What to ask in the background to have `stored` anew, whoever asked for it and however."""
    request = unconditional(asked.request)
    whole = asked._replace(request=request, directives=UNRESTRICTED, conditional=False, ranged=False)
    if stored.facts.validates:
        return whole, Validate(stored, validating(request, stored.facts), "stale", collapsible=True)
    return whole, Forward(request, "stale", collapsible=True, stored=stored)


def _newest(asked: CacheRequest, variants: Sequence[StoredResponse]) -> StoredResponse | None:
    if len(variants) == 1 and not variants[0].selecting:  # as nearly always
        return variants[0]
    newest: StoredResponse | None = None
    for stored in variants:
        if stored.selecting and not agrees(stored.selecting, asked.request.headers):
            continue
        if newest is None or stored.facts.date > newest.facts.date:
            newest = stored
    return newest


def _serve(
    asked: CacheRequest,
    stored: StoredResponse,
    facts: Facts,
    age: float,
    remaining: float,
    policy: CachePolicy,
    random: Random,
) -> Serve | None:
    wanted = asked.directives
    if facts.directives.no_cache or wanted.no_cache:
        return None
    if wanted.max_age is not None and (age > wanted.max_age or wanted.max_age == 0):
        return None
    if remaining > 0:
        if remaining < wanted.min_fresh:
            return None
        beta, effort, early = policy.early_refresh, stored.answered_at - stored.asked_at, False
        if beta > 0 and remaining <= effort * beta * FARTHEST:
            early = refreshes_early(remaining, min(effort, _MOST_EFFORT * (age + remaining)), beta, random)
        return serve_at(asked, stored, facts, age, remaining, policy, refresh=early)
    if wanted.min_fresh or not facts.may_be_stale:
        return None
    staleness = -remaining
    if staleness < while_revalidating(facts, policy):
        return serve_at(asked, stored, facts, age, remaining, policy, refresh=True, stale=True)
    if wanted.max_stale and staleness <= wanted.max_stale:
        return serve_at(asked, stored, facts, age, remaining, policy, stale=True)
    return None


def _ask(asked: CacheRequest, stored: StoredResponse | None, reason: Reason, *, collapsible: bool) -> Decision:
    wanted, request = asked.directives, asked.request
    if wanted is not UNRESTRICTED:
        if wanted.only_if_cached:
            return Unsatisfiable(reason)
        collapsible = collapsible and not (wanted.no_cache or wanted.max_age is not None or wanted.min_fresh > 0)
    collapsible = collapsible and not (request.method == "HEAD" or asked.ranged or asked.authorized)
    if stored is not None and stored.facts.validates and request.method == "GET":
        return Validate(stored, validating(request, stored.facts), reason, collapsible)
    return tuple.__new__(Forward, (request, reason, collapsible and not asked.conditional, stored))
