"""Report: what a fleet did, held against one gateway that had the whole limit and all requests.

Rule: a limiter of the same kind, the *auditor*, is told every admission at the time at which the fleet gave it. An
admission for which it has nothing left was *too many*; a refusal while it had something left was *wrong*. What
of its time a request owes to the limit is what it *waited*.

What it does not do: average waiting. A share and the slowest in a hundred say more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from api_gateway.plotting.fleet.fleet import Answer
from api_gateway.rate_limiting.limit_store import Limit
from api_gateway.rate_limiting.limiters import limiter_of
from api_gateway.rate_limiting.rate_limiter import NANOSECONDS


class FleetReport(NamedTuple):
    """Counts of requests, and times."""

    asked: int
    admitted: int
    too_many: int
    wrongly_refused: int
    waited: int
    """Requests that waited at all."""
    slowest: float
    """Milliseconds that the slowest in a hundred waited, at least."""

    @property
    def too_many_share(self) -> float:
        """Of all requests."""
        return self.too_many / self.asked

    @property
    def wrong_share(self) -> float:
        """Of all requests."""
        return self.wrongly_refused / self.asked

    @property
    def waited_share(self) -> float:
        """Of all requests."""
        return self.waited / self.asked


def report(answers: Sequence[Answer], limit: Limit) -> FleetReport:
    """Audit `answers`, at least one, in the order in which they were given."""
    auditor = limiter_of(limit)
    too_many = wrong = 0
    for answer in answers:
        if answer.allowed:
            too_many += not auditor.acquire("client", answer.answered).allowed
        else:
            wrong += auditor.acquire("client", answer.answered, 0).remaining > 0
    waits = sorted(answer.waited for answer in answers)
    return FleetReport(
        asked=len(answers),
        admitted=sum(answer.allowed for answer in answers),
        too_many=too_many,
        wrongly_refused=wrong,
        waited=sum(wait > 0 for wait in waits),
        slowest=waits[-1 - len(waits) // 100] / NANOSECONDS * 1000,
    )
