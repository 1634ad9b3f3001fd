"""Bulkhead: so many requests at once, and no more; a few may wait, if waiting can help.

Rule: a place is held from before the call until the response is *finished*: a body that streams holds it, for that is
how long the service works. Who finds none free waits in the queue (`resilience/admission_queue.py`), or is
refused at once, with 503:

| a request that                                          | is                                                   |
|---------------------------------------------------------|------------------------------------------------------|
| finds a place                                           | admitted, whatever is left of its time               |
| finds the queue full                                    | refused; or takes the place of a lower class there   |
| would be served too late, as far as anybody can tell    | refused (`resilience/expected_wait.py`)              |
| waits until it could not be answered in time any more   | refused then, at that moment; 504 if the deadline is |
| waits longer than `max_wait`                            | refused                                              |
| waits, and its client leaves                            | forgotten                                            |

The limit is a number, or found out (`resilience/adaptive_limit.py`) from what calls say (`overload_signs.py`). It is
found out from the time until the head, because how long the body takes the client can choose.

`Retry-After` is when all who wait now will have been served, where calls have told; else it is left out.

Bound: `limit` in flight and `queue` waiting. Throughput falls to limit / service time when the service becomes slow,
by itself, and what the gateway holds for it stays the same: one service that hangs cannot take all with it.
Cost: 0.7 us for a request that finds a place: a coroutine, no task, no future, no timer. 0.8 us more to measure for
those who wait, 0.8 (AIMD) to 1.5 to find out the limit. Who waits costs a future and, with a deadline, a timer.

What it does not do: stop a service that goes on working for callers who have gone. Long streams (server-sent
events) hold places for hours: give such routes a service of their own, with a limit that is a number.

Source: M. Nygard, "Release It!", 2007, ch. 5; RFC 9110 10.2.3 (Retry-After).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final, Literal, TypeAlias

from api_gateway.core.clock import NANOSECONDS, Clock, SystemClock
from api_gateway.core.errors import DeadlineExceeded, GatewayError, Overloaded
from api_gateway.core.headers import Headers
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.xray.facts import Fact, Facts, duration
from api_gateway.middleware.overload_signs import Sign, sign_of_answer, sign_of_error
from api_gateway.middleware.request_priority import PriorityOf, same_for_all
from api_gateway.resilience.adaptive_limit import AdaptiveLimit
from api_gateway.resilience.admission_queue import AdmissionQueue
from api_gateway.resilience.expected_wait import ExpectedWait
from api_gateway.resilience.priority import Priority

Reason: TypeAlias = Literal["full", "displaced", "hopeless", "late", "lag"]
"""Why a request was refused: no room; room needed for a higher class; too late when its turn would come; its turn did
not come in time; the event loop is late (`load_shedding.py`)."""

_GRANTED: Final = "granted"
_Place: TypeAlias = "asyncio.Future[Literal['granted', 'displaced', 'late']]"

_WORDS: dict[Reason, str] = {
    "full": "no place is free, and no room in the queue",
    "displaced": "its room in the queue went to a higher class",
    "hopeless": "its turn would come too late",
    "late": "its turn did not come in time",
}


class BulkheadMiddleware:
    """Holds what is behind it to a limit."""

    __slots__ = ("_adaptive", "_clock", "_expected", "_max_wait", "_places", "_priority_of", "name", "refusals")

    name: str
    """What it protects, for logs and metrics."""
    refusals: Counter[tuple[Priority, Reason]]
    """Requests refused, by class and reason."""

    def __init__(
        self,
        limit: int | AdaptiveLimit,
        queue: int = 0,
        *,
        name: str = "",
        max_wait: float | None = None,
        priority_of: PriorityOf = same_for_all,
        expected_wait: ExpectedWait | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Start with nothing in flight.

        Args:
            limit: how many at once, or what finds that out.
            queue: how many may wait.
            name: what is protected.
            max_wait: seconds after which nobody waits any longer; None for as long as the deadline allows.
            priority_of: the class of a request; asked for only when there is no place.
            expected_wait: tells who would wait in vain; None to let everybody wait until their deadline.
            clock: tells the time.

        Raises:
            ValueError: a number is not what it may be.
        """
        if max_wait is not None and max_wait <= 0:
            raise ValueError(f"max_wait must be positive, not {max_wait}")
        self._adaptive = None if isinstance(limit, int) else limit
        self._places: AdmissionQueue[_Place] = AdmissionQueue(limit if isinstance(limit, int) else limit.limit, queue)
        self._max_wait = None if max_wait is None else round(max_wait * NANOSECONDS)
        self._priority_of = priority_of
        self._expected = expected_wait
        self._clock = clock or SystemClock()
        self.name = name
        self.refusals = Counter()

    @property
    def limit(self) -> int:
        """How many may be in flight now."""
        return self._places.limit

    @property
    def in_flight(self) -> int:
        """How many are."""
        return self._places.in_flight

    @property
    def queued(self) -> int:
        """How many wait."""
        return self._places.queued

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Call in one of the places.

        Raises:
            Overloaded: there is none, or not in time.
            DeadlineExceeded: the deadline passed while waiting.
        """
        if not self._places.enter():
            await self._wait(request, context)
        started = self._clock.monotonic()
        try:
            response = await call_next(request, context)
        except BaseException as error:
            now = self._clock.monotonic()
            sign = sign_of_error(error, context, now)
            if self._adaptive is not None:
                self._learn(self._adaptive, started, now, sign)
            self._leave(started, served=sign is not Sign.NOTHING)
            raise
        if self._adaptive is not None:
            self._learn(self._adaptive, started, self._clock.monotonic(), sign_of_answer(response))
        if isinstance(response.body, bytes):
            self._leave(started, served=True)
        else:
            response.on_close(lambda: self._leave(started, served=response.complete or response.failure is not None))
        return response

    async def state_for(self, request: Request, context: RequestContext) -> Facts:
        """How many are in flight and wait, and how long this request would."""
        priority = self._priority_of(request, context)
        facts: dict[str, Fact] = {"limit": self.limit, "in flight": self.in_flight}
        facts.update({"queued": self.queued, "room to wait": self._places.queue, "class": priority.label})
        if self._adaptive is not None:
            facts["adaptive"] = type(self._adaptive).__name__.removesuffix("Limit").lower()
        if self.in_flight >= self.limit and self._expected is not None and self._expected.known:
            facts["expected wait"] = duration(self._expected_wait(priority))
        return facts

    async def _wait(self, request: Request, context: RequestContext) -> None:
        """Return with a place."""
        priority = self._priority_of(request, context)
        now = self._clock.monotonic()
        latest = self._latest(context.deadline, now)
        if latest is not None and now + self._expected_wait(priority) > latest:
            raise self._refusal("hopeless", priority, context.deadline, now)
        loop = asyncio.get_running_loop()
        place: _Place = loop.create_future()
        turned_away = self._places.wait(place, priority)
        if turned_away is place:
            raise self._refusal("full", priority, context.deadline, now)
        if turned_away is not None and not turned_away.done():
            turned_away.set_result("displaced")
        timer = (
            loop.call_later((latest - now) / NANOSECONDS, self._expire, place, priority) if latest is not None else None
        )
        try:
            result = await place
        except BaseException:
            # Cancelled: while it waited, or after the place was granted and before this ran.
            if not self._places.leave(place, priority) and not place.cancelled() and place.result() == _GRANTED:
                self._places.release()
                self._hand_on()
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if result != _GRANTED:
            raise self._refusal(result, priority, context.deadline, self._clock.monotonic())

    def _latest(self, deadline: int | None, now: int) -> int | None:
        """The last moment at which it makes sense to begin; None where any does."""
        latest = None if self._max_wait is None else now + self._max_wait
        if deadline is None:
            return latest
        begin = deadline if self._expected is None else deadline - self._expected.service
        return begin if latest is None else min(begin, latest)

    def _expected_wait(self, priority: Priority) -> int:
        return 0 if self._expected is None else self._expected.wait(self._places.ahead(priority), self._places.limit)

    def _expire(self, place: _Place, priority: Priority) -> None:
        if not place.done():
            self._places.leave(place, priority)
            place.set_result("late")

    def _leave(self, started: int, *, served: bool) -> None:
        if self._expected is not None:
            self._expected.record(self._clock.monotonic() - started, served=served)
        self._places.release()
        if self._places.queued:
            self._hand_on()

    def _learn(self, adaptive: AdaptiveLimit, started: int, now: int, sign: Sign) -> None:
        if sign is Sign.NOTHING:
            return
        adaptive.record(started, now, self._places.in_flight, dropped=sign is Sign.DROP)
        if adaptive.limit != self._places.limit:
            self._places.limit = adaptive.limit
            self._hand_on()

    def _hand_on(self) -> None:
        """Give the places that are free to those who wait."""
        while (place := self._places.grant()) is not None:
            if place.done():
                self._places.release()  # its client has left, and it has not run since
            else:
                place.set_result(_GRANTED)

    def _refusal(self, reason: Reason, priority: Priority, deadline: int | None, now: int) -> GatewayError:
        """The error, counted."""
        self.refusals[priority, reason] += 1
        what = f"{self.name or 'the gateway'}: {_WORDS[reason]} ({priority.label})"
        if deadline is not None and now >= deadline:
            return DeadlineExceeded(what)
        if self._expected is None or not self._expected.known:
            return Overloaded(what)
        seconds = -(-self._expected.wait(self._places.queued, self._places.limit) // NANOSECONDS)
        return Overloaded(what, headers=Headers.from_pairs([(b"retry-after", b"%d" % max(1, seconds))]))
