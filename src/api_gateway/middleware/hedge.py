"""Hedge: a second call when the first is late, and whichever gives a usable answer first.

    first call   |--------------------------------------X  cancelled
    second call            |---------|  the answer
                 0        after

Rule: only what may be done twice is hedged: an idempotent method, its body complete in memory. If there is no
answer `after` the call began, and the budget has one left (`resilience/hedging.py`), the same is asked a second
time, elsewhere if the balancer looks at `RequestContext.tried`. An answer below 500 wins. A failure of one call
does not end the race while the other runs; if both fail, the client gets what the first call said, or the second
call's answer where the first raised. A first call that fails before `after` is not hedged: that is retry's part.

The loser is cancelled, waited for, and its answer closed. If the caller goes, both calls end. What the winner
found out (service, endpoint) is in the client's context afterwards; `attempts` counts both calls, and time in
which both were waited for counts once in `upstream_duration`.

Bound: calls <= (1 + max_extra) * requests and one for each window; S(t) = S1(t) * S1(t - after).
Cost: 1.8 us for a request that is not late: it runs in the caller's own task, and its timer is an entry in a queue.
A task and a copy of the context are made when a call is late. A task for every request would cost 6 us. (Python
3.11, around a handler that answers at once, best of seven runs of 20,000, as for all middleware of a service.)

What it does not do: help when everything is slow (the budget is what stops it then), ask a third time, or hedge
the body: a call is over when its head is there.

Source: J. Dean and L. Barroso, "The tail at scale", CACM 56(2), 2013; Envoy, hedge policy.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

from api_gateway.core.clock import Clock, SystemClock
from api_gateway.core.errors import GatewayError
from api_gateway.core.middleware import Handler
from api_gateway.core.request import IDEMPOTENT_METHODS, Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.xray.facts import Facts, duration
from api_gateway.middleware.expiry_queue import ExpiryQueue
from api_gateway.resilience.hedging import Hedging

_log = logging.getLogger("api_gateway.errors")

_FAILED = 500  # from here on the service says so itself


class HedgeMiddleware:
    """Asks twice where the first answer is late, for all requests to one service."""

    __slots__ = ("_clock", "_hedging", "_queue", "hedges", "out_of_budget", "wins")

    hedges: int
    """Second calls made."""
    wins: int
    """Requests answered by the second call."""
    out_of_budget: int
    """Second calls that the budget refused."""

    def __init__(self, hedging: Hedging, clock: Clock | None = None) -> None:
        """`hedging` says when an answer is late, and how many second calls there may be."""
        self._hedging = hedging
        self._clock = clock or SystemClock()
        self._queue: ExpiryQueue | None = None
        self.hedges = self.wins = self.out_of_budget = 0

    def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Awaitable[Response]:
        """Answer by whichever call is first with a usable answer."""
        if request.method not in IDEMPOTENT_METHODS or not isinstance(request.body, bytes):
            return call_next(request, context)
        return self._raced(request, context, call_next)

    async def state_for(self, request: Request, context: RequestContext) -> Facts:
        """When an answer is late, and what the budget allows then."""
        return {
            "after": duration(self._hedging.after),
            "budget left": self._hedging.remaining(self._clock.monotonic()),
            "may be asked twice": request.method in IDEMPOTENT_METHODS and isinstance(request.body, bytes),
        }

    async def _raced(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        task = asyncio.current_task()
        assert task is not None, "a Handler runs in a task"
        queue = self._queue_of(task.get_loop())
        now = self._clock.monotonic()
        self._hedging.record_request(now)
        race = _Race(self, task, request, context, call_next)
        queue.add(race, now + self._hedging.after)
        try:
            response = await call_next(request, context)
        except BaseException as error:
            queue.discard(race)
            winner = None if race.second is None else await race.settle(None, error)
            if winner is None:
                raise
            return winner
        queue.discard(race)
        if race.second is None:
            return response
        winner = await race.settle(response, None)
        assert winner is not None, "there is an answer, even if it is not this one"
        return winner

    def _queue_of(self, loop: asyncio.AbstractEventLoop) -> ExpiryQueue:
        if self._queue is None or self._queue.loop is not loop:
            self._queue = ExpiryQueue(loop, self._clock)
        return self._queue

    @property
    def after(self) -> int:
        """Nanoseconds after which an answer is late."""
        return self._hedging.after

    def allows(self) -> bool:
        """Whether one more second call may be made; if so, it is counted."""
        allowed = self._hedging.acquire(self._clock.monotonic())
        self.hedges += allowed
        self.out_of_budget += not allowed
        return allowed


class _Race:
    """One request's two calls: the first in the caller's task, the second, if it comes to that, in its own."""

    __slots__ = (
        "_answer",
        "_call_next",
        "_cancelled_before",
        "_context",
        "_first_runs",
        "_fork",
        "_forked_attempts",
        "_hedge",
        "_interrupted",
        "_over",
        "_request",
        "_task",
        "second",
    )

    second: asyncio.Task[None] | None
    """The second call, once it is made."""

    def __init__(
        self,
        hedge: HedgeMiddleware,
        task: asyncio.Task[object],
        request: Request,
        context: RequestContext,
        call_next: Handler,
    ) -> None:
        self._hedge = hedge
        self._task = task
        self._cancelled_before = task.cancelling()
        self._request = request
        self._context = context
        self._call_next = call_next
        self._first_runs = True
        self._interrupted = False
        self._over = False
        self._answer: Response | None = None
        self.second = None

    def expire(self) -> None:
        """The first answer is late: make the second call, if the budget allows."""
        if not self._hedge.allows():
            return
        context = self._context
        self._fork = context.fork()
        self._fork.tried = (*context.tried, context.endpoint)
        self._forked_attempts = context.attempts
        self.second = self._task.get_loop().create_task(self._run_second())

    async def _run_second(self) -> None:
        try:
            response = await self._call_next(self._request, self._fork)
        except GatewayError:
            return  # what the first call says is what counts
        except Exception as error:
            _log.error("defect in the second call of a hedge", exc_info=error)
            return
        if self._over:  # it has answered although it was cancelled
            await response.close()
            return
        self._answer = response
        if self._first_runs and response.status < _FAILED:
            self._interrupted = True
            self._task.cancel()  # the first call runs in it; `settle` takes this cancellation back

    async def settle(self, first: Response | None, failure: BaseException | None) -> Response | None:
        """The winner's answer, when the first call has ended in either way; None if its failure is what counts."""
        assert self.second is not None
        self._first_runs = False
        if self._interrupted:
            self._task.uncancel()
        winner: Response | None = None
        try:
            if self._still_wanted(failure):
                if not self.second.done() and (first is None or first.status >= _FAILED):
                    await asyncio.wait([self.second])
                winner = self._best(first)
            return winner
        finally:
            await self._end(first, winner)

    def _still_wanted(self, failure: BaseException | None) -> bool:
        """Whether anybody waits for an answer, now that the first call has failed or not."""
        if failure is None or isinstance(failure, GatewayError):
            return True
        # A cancellation that is ours alone is how a race ends; any other, and a defect, is for the caller.
        return self._interrupted and self._task.cancelling() <= self._cancelled_before

    def _best(self, first: Response | None) -> Response | None:
        second = self._answer
        if second is None or (first is not None and first.status < _FAILED):
            return first
        return second if first is None or second.status < _FAILED else first

    async def _end(self, first: Response | None, winner: Response | None) -> None:
        """End the second call, close every answer but the winner's, and write down what was found out."""
        assert self.second is not None
        self._over = True
        try:
            if not self.second.done():
                self.second.cancel()
                await asyncio.wait([self.second])
        except asyncio.CancelledError:
            winner = None
            raise
        finally:
            self._write_down(winner)
            for response in (first, self._answer):
                if response is not None and response is not winner:
                    await response.close()

    def _write_down(self, winner: Response | None) -> None:
        context, fork = self._context, self._fork
        attempts = context.attempts + fork.attempts - self._forked_attempts
        waited = max(context.upstream_duration, fork.upstream_duration + self._hedge.after)
        if winner is not None and winner is self._answer:
            self._hedge.wins += 1
            context.adopt(fork)
        context.attempts, context.upstream_duration = attempts, waited
