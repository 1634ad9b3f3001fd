"""Load shedding: refuse early, when the gateway itself cannot keep up.

Rule: while its event loop is later than `max_lag`, and was so for some time (`event_loop_lag.py`), requests are refused
with 503 before anything is done for them; the lowest class first (`resilience/priority.py`):

    sheddable    from half of max_lag
    default      from max_lag
    critical     from twice max_lag

Besides, there is a bulkhead for all requests together, so that what the gateway holds in memory has a bound.

Why the lag: it is the wait before the gateway's only worker, and says nothing about services. The latency of
answers would: then a service that hangs, and nothing but that, would take the gateway's limit down for
all the others. Services are protected by limits of their own (`concurrency`), which see their latency only. With
one service behind the gateway, or many that stand and fall together, the bulkhead's limit may be adaptive.

Where it belongs: at the front. What runs before it is paid for those who are refused, too.

Bound: the lag is kept near the threshold of the highest class that need not be refused, as long as refusing costs
less than serving. Simulated, a loop that spends 0.1 ms on reading and 1 ms on serving a request, a third of them
in each class: at 2.2 times its load it answers 800 of at most 909 a second within 0.3 s, at 5.5 times all 500
that it has time for beside refusing; most of them are critical. Without shedding it answers nobody within 0.3 s.
Cost: 0.6 us, and the bulkhead's.

What it does not do: help against what is expensive before it in the list, or in the kernel's queues. A server under
such load should also take fewer connections.

Source: Google, "Site Reliability Engineering", 2016, ch. 21 (utilisation, criticality); Envoy, overload manager.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable
from typing import Protocol

from api_gateway.core.clock import NANOSECONDS, Clock, SystemClock
from api_gateway.core.errors import Overloaded
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.xray.facts import Facts, duration
from api_gateway.middleware.bulkhead import BulkheadMiddleware, Reason
from api_gateway.middleware.event_loop_lag import EventLoopLag
from api_gateway.middleware.request_priority import PriorityOf, same_for_all
from api_gateway.resilience.priority import Priority

MAX_LAG = 0.05
"""Seconds: longer than a loop with much to do is late, shorter than people notice."""

_SHARES = {Priority.CRITICAL: 2.0, Priority.DEFAULT: 1.0, Priority.SHEDDABLE: 0.5}
_TOLD_EACH = 10 * NANOSECONDS

_log = logging.getLogger("api_gateway.load_shedding")


class Lag(Protocol):
    """How late the gateway's own work is."""

    def seconds(self) -> float:
        """For some time, at least so much."""
        ...


class LoadSheddingMiddleware:
    """Protects the gateway from more work than it can do."""

    __slots__ = ("_clock", "_lag", "_priority_of", "_thresholds", "_told", "bulkhead", "refusals")

    bulkhead: BulkheadMiddleware
    """Bounds all requests together."""
    refusals: Counter[tuple[Priority, Reason]]
    """Requests refused for the lag, by class; those that the bulkhead refused are counted there."""

    def __init__(
        self,
        bulkhead: BulkheadMiddleware,
        max_lag: float = MAX_LAG,
        *,
        priority_of: PriorityOf = same_for_all,
        lag: Lag | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`max_lag` in seconds; `lag` is the event loop's unless given.

        Raises:
            ValueError: `max_lag` is not positive.
        """
        if max_lag <= 0:
            raise ValueError(f"max_lag must be positive, not {max_lag}")
        self.bulkhead = bulkhead
        self.refusals = Counter()
        self._thresholds = [max_lag * _SHARES[priority] for priority in Priority]
        self._priority_of = priority_of
        self._lag: Lag = lag or EventLoopLag()
        self._clock = clock or SystemClock()
        self._told: int | None = None

    def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Awaitable[Response]:
        """Pass on, or refuse.

        Raises:
            Overloaded: the gateway has too much to do, or too many requests.
        """
        lag = self._lag.seconds()
        if lag >= self._thresholds[-1]:
            priority = self._priority_of(request, context)
            if lag >= self._thresholds[priority]:
                return self._refuse(priority, lag)
        return self.bulkhead(request, context, call_next)

    async def state_for(self, request: Request, context: RequestContext) -> Facts:
        """How late the loop is, from when on this request's class is refused, and the bulkhead's state."""
        priority = self._priority_of(request, context)
        lag = self._lag.look() if isinstance(self._lag, EventLoopLag) else self._lag.seconds()
        return {
            "lag": duration(lag * NANOSECONDS),
            "refused from": duration(self._thresholds[priority] * NANOSECONDS),
            **await self.bulkhead.state_for(request, context),
            "class": priority.label,
        }

    async def _refuse(self, priority: Priority, lag: float) -> Response:
        self.refusals[priority, "lag"] += 1
        now = self._clock.monotonic()
        if self._told is None or now - self._told >= _TOLD_EACH:
            self._told = now
            _log.warning("the event loop is %.0f ms late: refusing %s requests", lag * 1000, priority.label)
        raise Overloaded(f"the event loop is {lag * 1000:.0f} ms late: no {priority.label} requests")
