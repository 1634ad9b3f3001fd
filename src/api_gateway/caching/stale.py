"""Stale: when an answer past its lifetime is better than none, or than a slow one.

| allowed by                                    | for so long past the lifetime | when                           |
|-----------------------------------------------|-------------------------------|--------------------------------|
| request `max-stale`, `max-stale=n`            | for ever, n s                 | at once                        |
| answer or policy: `stale-while-revalidate=n`  | n s                           | at once; it is fetched anew    |
| answer, request or policy: `stale-if-error=n` | n s                           | the service fails (`FAILURES`) |

Rule: none of this where the answer says `no-cache`, `must-revalidate`, `proxy-revalidate` or `s-maxage` (RFC 9111
4.2.4), nor, for any but `max-stale`, where the request says `no-cache`. What an answer says comes before the policy.

`s-maxage=10, stale-while-revalidate=60` is meant well and common. RFC 9111 5.2.2.10 lets `s-maxage` forbid it all the
same; `max-age=10, stale-while-revalidate=60` works.

What it does not do: count. The windows begin where `freshness.py` says that the lifetime ends.

Source: RFC 9111 sections 4.2.4, 5.2.1.2 and 5.2.2.10; RFC 5861.
"""

from __future__ import annotations

from api_gateway.caching.cache_control import RequestDirectives, ResponseDirectives
from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.caching.freshness import Facts

FAILURES = frozenset({500, 502, 503, 504})
"""Statuses, of the service or of the gateway's own error, that a stale answer may stand in for (RFC 5861 4)."""


def while_revalidating(facts: Facts, policy: CachePolicy) -> float:
    """Seconds past its lifetime for which an answer is used while it is fetched anew."""
    if not facts.may_be_stale:
        return 0.0
    said = facts.directives.stale_while_revalidate
    return policy.stale_while_revalidate if said is None else said


def if_error(facts: Facts, directives: RequestDirectives, policy: CachePolicy) -> float:
    """Seconds past its lifetime for which an answer is used when the service fails."""
    if not facts.may_be_stale or directives.no_cache:
        return 0.0
    said = facts.directives.stale_if_error
    allowed = policy.stale_if_error if said is None else float(said)
    return max(allowed, directives.stale_if_error or 0.0)


def kept_for(facts: Facts, now: float, policy: CachePolicy) -> float:
    """Seconds from `now` until an answer is of no use any more; 0 if it never is of any."""
    return useful_for(facts.directives, facts.born, facts.lifetime(policy), now, policy, facts.validates)


def useful_for(
    directives: ResponseDirectives, born: float, lifetime: float, now: float, policy: CachePolicy, validates: bool
) -> float:
    """See `kept_for`, for one whose facts nobody has gathered."""
    if not validates and (lifetime <= 0 or directives.no_cache):
        return 0.0
    beyond = policy.keep
    if directives.allows_stale:
        said = directives.stale_while_revalidate
        seconds = policy.stale_while_revalidate if said is None else said
        if seconds > beyond:
            beyond = seconds
        said = directives.stale_if_error
        seconds = policy.stale_if_error if said is None else said
        if seconds > beyond:
            beyond = seconds
    end = born + lifetime
    if validates and end < now:  # one that other caches have kept for long is worth validating, too
        end = now
    end += beyond
    if end < now:
        end = now
    return end - now
