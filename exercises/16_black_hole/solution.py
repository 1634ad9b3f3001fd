"""The fix: a failure keeps counting as in flight for some seconds, although it is over.

Why: "fewest in flight" takes speed for ability, and nothing is as fast as failing. A request that failed did not use up
the endpoint's time, but it used up a client's chance; so it is charged to that endpoint as a place which stays taken.
An endpoint that fails gets one request whenever a charge has run out, which is also how its recovery is noticed. As the
charge is relative to the others' load, nothing special is needed when all fail: all are charged alike.

What it costs: in every `CHARGE` a few clients find out that it is still broken. A longer charge finds fewer victims and
notices recovery later. An endpoint whose errors are the clients' fault must not be charged, so only a 5xx and a failed
connection count. Outlier detection, the package's way, ejects instead: sharper, but it needs a rule for how many may be
ejected, or a bad deployment ejects everybody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from api_gateway import Endpoint, Request, RequestContext
from api_gateway.backend.load_balancer import Outcome
from api_gateway.core.clock import NANOSECONDS, Clock

CHARGE = 5 * NANOSECONDS
"""How long a failure counts."""


class LeastBusy:
    """A load balancer: see `api_gateway.LoadBalancer`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turn = 0
        self._chosen: dict[Endpoint, int] = {}
        self._failures: dict[Endpoint, deque[int]] = {}

    def select(self, endpoints: Sequence[Endpoint], request: Request, context: RequestContext) -> Endpoint:
        """The one with the fewest requests in flight; of equals, the one that was chosen longest ago."""
        now = self._clock.monotonic()
        chosen = min(endpoints, key=lambda endpoint: (self._load(endpoint, now), self._chosen.get(endpoint, 0)))
        self._turn += 1
        self._chosen[chosen] = self._turn
        return chosen

    def learn(self, endpoint: Endpoint, duration: int, outcome: Outcome) -> None:
        """A request is over: `failed` is a 5xx, or no answer."""
        if outcome == "failed":
            self._failures.setdefault(endpoint, deque()).append(self._clock.monotonic())

    def _load(self, endpoint: Endpoint, now: int) -> int:
        failures = self._failures.get(endpoint, deque())
        while failures and failures[0] <= now - CHARGE:
            failures.popleft()
        return endpoint.in_flight + len(failures)
