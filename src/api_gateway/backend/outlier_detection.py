"""Outlier detection: an endpoint whose answers are worse than its siblings' is left out for a while.

Rule: `consecutive_errors` errors in a row eject an endpoint, at the moment of the last one. An error is an answer
from 500 on, a failure of the transport, a body that breaks off, or a deadline that passes while it is asked.
What it says about itself to a checker does not matter here: an endpoint can be well and answer badly.

Rule: an ejection lasts `ejection_time` times the number of ejections, at most `max_ejection_time`; the number falls by
one for each `interval` in use. It ends by itself, at its very time, and the count of errors starts anew: nothing waits
for a sweep, neither to eject nor to return. Answers to requests that were sent before the end of an ejection count
for nothing: they are news of yesterday.

Rule: `success_rate` ejects also whoever has, over an `interval`, a share of successes below the mean of all less
1.9 standard deviations; of at least 5 endpoints with at least 100 requests each.

Bound: at most `max_ejection` of the endpoints are ejected at a time, but one is always allowed; and never the last
healthy one: without others there is nothing to be worse than. So passive detection alone can never
leave a service without endpoints, panic or not.
Cost: O(1) an answer; O(n) an ejection, and once an interval with `success_rate`.

What does not count: refusals of the gateway itself (an open circuit, a limit, a bad request), a client that leaves,
a defect of a Handler.

What it does not do: notice that an endpoint is slow, as long as it answers within timeout and deadline; ask
(`health_checker.py`); or choose (`healthy_endpoints.py`).

Source: Envoy's outlier detection. Unlike there: no sweep, and a passing check does not end an ejection.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.healthy_endpoints import HealthyEndpoints
from api_gateway.core.clock import NANOSECONDS
from api_gateway.resilience.share import Share

DEVIATIONS = 1.9
"""So many standard deviations below the mean is an outlier."""
LEAST_ENDPOINTS = 5
"""With fewer, a mean says little."""
LEAST_REQUESTS = 100
"""In an interval; with fewer, a share says little."""


@dataclass(frozen=True, slots=True)
class OutlierDetection:
    """When an endpoint is ejected, and for how long."""

    consecutive_errors: int = 5
    ejection_time: float = 30.0
    """Seconds, times the number of ejections."""
    max_ejection_time: float = 300.0
    """Seconds; no ejection lasts longer, unless `ejection_time` itself does."""
    max_ejection: float = 0.1
    """Share of the endpoints that may be ejected at a time; one may always."""
    interval: float = 10.0
    """Seconds in use that take back one ejection; the time over which success rates are taken."""
    success_rate: bool = False

    def __post_init__(self) -> None:
        Share.of("max_ejection", self.max_ejection)
        if self.consecutive_errors < 1 or min(self.ejection_time, self.max_ejection_time, self.interval) <= 0:
            raise ValueError(f"not an outlier detection: {self}")


class _Record:
    __slots__ = ("ejections", "errors", "requests", "successes", "valid_from")

    def __init__(self) -> None:
        self.errors = 0
        self.ejections = 0
        self.valid_from = 0  # the end of the last ejection
        self.requests = 0
        self.successes = 0


class OutlierDetector:
    """Judges the endpoints of one service by their answers."""

    __slots__ = (
        "_interval",
        "_interval_ends",
        "_longest",
        "_members",
        "_options",
        "_pool",
        "_records",
        "_share",
        "_unit",
    )

    def __init__(self, options: OutlierDetection, pool: HealthyEndpoints) -> None:
        """Nothing is known yet; who is an outlier is taken out of `pool`."""
        self._options = options
        self._pool = pool
        self._share = Share.of("max_ejection", options.max_ejection)
        self._unit = round(options.ejection_time * NANOSECONDS)
        self._longest = max(self._unit, round(options.max_ejection_time * NANOSECONDS))
        self._interval = round(options.interval * NANOSECONDS)
        self._interval_ends = 0
        self._members: tuple[Endpoint, ...] = ()
        self._records: dict[Endpoint, _Record] = {}

    def observe(self, endpoint: Endpoint, *, failed: bool, sent: int, now: int) -> None:
        """What came of a request that was sent to `endpoint` at `sent`, in nanoseconds."""
        if self._pool.members is not self._members:
            self._members = self._pool.members
            self._records = {each: self._records.get(each) or _Record() for each in self._members}
        if self._options.success_rate and now >= self._interval_ends:
            self._compare(now)
        record = self._records.get(endpoint)
        if record is None or sent < record.valid_from:
            return
        record.requests += 1
        if not failed:
            record.successes += 1
            record.errors = 0
            return
        record.errors += 1
        if record.errors >= self._options.consecutive_errors:
            self._eject(endpoint, record, f"{record.errors} errors in a row", now)

    def _eject(self, endpoint: Endpoint, record: _Record, why: str, now: int) -> None:
        self._pool.refresh(now)
        if not self._may_go(endpoint):
            return
        in_use = max(0, now - record.valid_from)
        record.ejections = max(0, record.ejections - in_use // self._interval) + 1
        duration = min(self._unit * record.ejections, self._longest)
        record.valid_from = now + duration
        record.errors = 0
        why = f"{why}; ejected for {duration / NANOSECONDS:g} s"
        self._pool.take_out(endpoint, "outlier", why, record.valid_from)

    def _may_go(self, endpoint: Endpoint) -> bool:
        pool = self._pool
        if not pool.is_healthy(endpoint) or pool.healthy < 2:
            return False
        after = pool.ejected + 1
        return after == 1 or after * self._share.denominator <= self._share.numerator * len(pool.members)

    def _compare(self, now: int) -> None:
        """Look at the interval that has ended, and begin another."""
        self._interval_ends = now + self._interval
        judged = [(each, record) for each, record in self._records.items() if record.requests >= LEAST_REQUESTS]
        if len(judged) >= LEAST_ENDPOINTS:
            rates = [record.successes / record.requests for _, record in judged]
            mean = math.fsum(rates) / len(rates)
            deviation = math.sqrt(math.fsum([(rate - mean) ** 2 for rate in rates]) / len(rates))
            lowest = mean - DEVIATIONS * deviation
            for rate, (endpoint, record) in sorted(zip(rates, judged, strict=True), key=lambda pair: pair[0]):
                if rate < lowest:
                    self._eject(endpoint, record, f"{rate:.0%} successes where the mean is {mean:.0%}", now)
        for record in self._records.values():
            record.requests = record.successes = 0
