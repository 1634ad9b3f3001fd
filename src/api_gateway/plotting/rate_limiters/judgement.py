"""Judgement: each decision held against the promise "at most N in any period".

Rule: an exact log of what was let through is kept beside the limiter. A refusal is *false* when the log says that
there was room: fewer than N went through in the last period. An admission is *over* when the log says that
there was none. The sliding window log makes neither mistake, being that log; everybody else trades one
for the other, or for memory.

Cost: two decisions for each request.

What it does not do: blame. A bucket promises something else than N in any period, and keeps it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from api_gateway.rate_limiting import RateLimiter, SlidingWindowLog


class Judgement(NamedTuple):
    """How often a limiter and the promise differ. Counts of requests."""

    asked: int
    admitted: int
    false_refusals: int
    over_admissions: int

    @property
    def false_share(self) -> float:
        """False refusals, of all requests."""
        return self.false_refusals / self.asked

    @property
    def over_share(self) -> float:
        """Over-admissions, of all requests."""
        return self.over_admissions / self.asked


def judge(limiter: RateLimiter, arrivals: Sequence[int], limit: int, period: float) -> Judgement:
    """Ask `limiter` for all of `arrivals`, at least one; the promise is `limit` in any `period` seconds."""
    # Room for twice the limit, because a limiter may let through more than it should: what is missing tells.
    log = SlidingWindowLog(_ROOM * limit, period)
    admitted = false_refusals = over_admissions = 0
    for now in arrivals:
        counted = _ROOM * limit - log.acquire("client", now, 0).remaining
        if not limiter.acquire("client", now).allowed:
            false_refusals += counted < limit
            continue
        admitted += 1
        over_admissions += counted >= limit
        log.acquire("client", now)
    return Judgement(len(arrivals), admitted, false_refusals, over_admissions)


_ROOM = 3  # times the limit: the worst of them lets through twice the limit in a period
