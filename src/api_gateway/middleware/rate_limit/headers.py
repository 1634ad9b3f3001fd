"""Rate-limit headers: what a client is told of its quotas.

    RateLimit-Policy: "burst";q=10;w=1, "daily";q=1000;w=86400     what the limits are
    RateLimit: "burst";r=9;t=1, "daily";r=412;t=3600               what is left, and when there is more
    Retry-After: 3                                                 refused; not before so many seconds

Rule: everything is rounded to the client's safe side. `q` is what can be spent at once and `w` the seconds in
which all of it comes back, rounded up, so `q` per `w` is never more than the policy gives. `t` is when
there will be *more*, not when all is back; `Retry-After` is when this very request would be admitted, so
it is not before `t`. A limit on requests at once has no time: no `w`, and no `t`.

All are lists, and a limit adds its members to those that are there, whether of another limit of this gateway
or of the service: all of them hold for the client. The older `X-RateLimit-*` can state only one limit, so
the one with the least remaining is kept; `Reset` is a Unix time, as in most APIs that have it.

Cost: the policy field is made once; the other is one format a policy.

Source: draft-ietf-httpapi-ratelimit-headers-10; RFC 9651 (structured fields); RFC 9110 10.2.3 (Retry-After).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

from api_gateway.core.clock import NANOSECONDS, Clock
from api_gateway.core.headers import HeaderPairs, Headers
from api_gateway.rate_limiting.limit_store import Limit
from api_gateway.rate_limiting.limiters import BUCKETS, at_once
from api_gateway.rate_limiting.rate_limiter import Decision

StatusWriter: TypeAlias = Callable[[Decision], str]
"""Writes one member of `RateLimit`."""

_LEGACY = frozenset({b"x-ratelimit-limit", b"x-ratelimit-remaining", b"x-ratelimit-reset"})
_MOST_DIGITS = 15


def policy_member(limit: Limit) -> str:
    """The member of `RateLimit-Policy` for one limit."""
    quota = at_once(limit)
    if limit.algorithm == "concurrency":
        return f'{_text(limit.name)};q={quota};qu="concurrent-requests"'
    window = limit.period * quota / limit.limit if limit.algorithm in BUCKETS else limit.period
    return f"{_text(limit.name)};q={quota};w={max(1, math.ceil(round(window, 9)))}"


def status_writer(limit: Limit) -> StatusWriter:
    """Writes the member of `RateLimit` for decisions of one limit."""
    name = _text(limit.name)
    if limit.algorithm == "concurrency":
        return lambda decision: f"{name};r={decision[2]}"
    if limit.algorithm not in BUCKETS:
        return lambda decision: f"{name};r={decision[2]};t={-(-(decision[4] or decision[3]) // NANOSECONDS)}"
    interval = math.ceil(limit.period * NANOSECONDS / limit.limit)

    def status(decision: Decision) -> str:
        _, _, remaining, reset_after, retry_after, _ = decision
        # What is missing comes back one by one: the next is due in what is left of one interval.
        more_after = retry_after or (reset_after and (reset_after - 1) % interval + 1)
        return f"{name};r={remaining};t={-(-more_after // NANOSECONDS)}"

    return status


class QuotaFields:
    """What clients are told of some limits together."""

    __slots__ = ("_clock", "_policies", "_writers")

    def __init__(self, limits: Sequence[Limit], legacy_clock: Clock | None = None) -> None:
        """With `legacy_clock`, whose wall time `Reset` is stated in, the older headers too."""
        self._policies = (b"ratelimit-policy", ", ".join(map(policy_member, limits)).encode("ascii"))
        self._writers = [status_writer(limit) for limit in limits]
        self._clock = legacy_clock

    def added_to(self, headers: Headers, decisions: Sequence[Decision], tightest: Decision) -> Headers:
        """`headers`, and what the decisions on the limits, in their order, say."""
        writers = self._writers
        if len(writers) == 1:
            status = writers[0](decisions[0])
        else:
            status = ", ".join([write(decision) for write, decision in zip(writers, decisions, strict=True)])
        pairs = [*headers.pairs, self._policies, (b"ratelimit", status.encode("ascii"))]
        if self._clock is not None:
            pairs = _with_legacy(pairs, tightest, self._clock.wall())
        return Headers.from_pairs(pairs)


def _with_legacy(pairs: HeaderPairs, decision: Decision, wall: float) -> HeaderPairs:
    """The fields with `X-RateLimit-*`, unless those that are there tell of no more remaining."""
    stated = next((value for name, value in pairs if name == b"x-ratelimit-remaining"), b"")
    if stated.isdigit() and len(stated) <= _MOST_DIGITS and int(stated) <= decision.remaining:
        return pairs
    return [
        *(pair for pair in pairs if pair[0] not in _LEGACY),
        (b"x-ratelimit-limit", b"%d" % decision.limit),
        (b"x-ratelimit-remaining", b"%d" % decision.remaining),
        (b"x-ratelimit-reset", b"%d" % math.ceil(wall + decision.reset_after / NANOSECONDS)),
    ]


def retry_seconds(decision: Decision) -> int | None:
    """Whole seconds for `Retry-After`, at least 1; None where retrying can never help."""
    if decision.retry_after is None:
        return None
    return max(1, -(-decision.retry_after // NANOSECONDS))


def _text(name: str) -> str:
    """A structured-field string (RFC 9651 3.3.3); what it cannot hold becomes `?`."""
    printable = "".join(letter if " " <= letter <= "~" else "?" for letter in name)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'
