"""FakeService: c workers and a queue before them. The service of the queueing books, as a Handler.

    arrivals -> [ queue, bounded or not ] -> [ worker 1 ... worker c ] -> answers

Rule: first come, first served. A request that finds all workers busy waits; one that finds the queue
full gets a 503 at once. A worker that has begun goes on to the end, whether or not anybody still waits
for the answer: real services do not notice either, and the work wasted on callers that have gone is
what keeps an overloaded system down after its trigger is gone (Bronson et al., "Metastable failures in
distributed systems", HotOS 2021). `notices_departures` is for a service that does look, when it takes
the next request from its queue.

Capacity: workers / mean service time. Utilisation: arrival rate / capacity.

It counts what theory speaks of: `time_in_system` is the integral of the number present, so that Little's
law, L = lambda W, can be checked and not only quoted.

What it does not do: keep data, or look at the request. Every answer is the same.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Sequence
from random import Random

from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import ConnectFailed, UpstreamReset
from api_gateway.simulation.fault import Fault, active_fault
from api_gateway.simulation.service_time import Constant, ServiceTime


class FakeService:
    """A service with a fixed number of workers. Use it in one event loop."""

    def __init__(
        self,
        service_time: ServiceTime | float,
        *,
        workers: int = 1,
        queue: int | None = None,
        error_rate: float = 0.0,
        faults: Sequence[Fault] = (),
        notices_departures: bool = False,
        random: Random,
        name: str = "fake",
    ) -> None:
        """Build an idle service.

        Args:
            service_time: a distribution, or seconds that are always the same.
            workers: how many requests are served at once.
            queue: how many may wait; None for any number.
            error_rate: the share of requests, 0 to 1, that are worked on and then answered with a 500.
            faults: what goes wrong, and when.
            notices_departures: whether a request whose caller has gone is dropped from the queue.
            random: draws service times and errors.
            name: the service's name in its answers.

        Raises:
            ValueError: a number is not what it may be.
        """
        if workers < 1 or (queue is not None and queue < 0) or not 0 <= error_rate <= 1:
            raise ValueError(f"not a service: workers={workers}, queue={queue}, error_rate={error_rate}")
        self.service_time = Constant(service_time) if isinstance(service_time, int | float) else service_time
        self.workers = workers
        self.name = name
        self.busy = 0
        self.arrived = self.served = self.wasted = self.refused = 0
        self.time_in_system = 0.0
        self._limit = math.inf if queue is None else queue
        self._error_rate = error_rate
        self._faults = tuple(faults)
        self._notices_departures = notices_departures
        self._random = random
        self._queue: deque[asyncio.Future[None]] = deque()
        self._changed = 0.0
        answer = Response.json({"service": name})  # made once: it is a fifth of the cost of a simulated request
        self._headers, self._body = answer.headers, answer.body

    @property
    def queued(self) -> int:
        """How many wait for a worker."""
        return len(self._queue)

    @property
    def present(self) -> int:
        """How many wait or are served."""
        return len(self._queue) + self.busy

    @property
    def capacity(self) -> float:
        """Requests a second, in health."""
        return self.workers / self.service_time.mean

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        """Serve one request.

        Raises:
            ConnectFailed: the service refuses connections now.
        """
        loop = asyncio.get_running_loop()
        self.arrived += 1
        fault = active_fault(self._faults, loop.time(), "refuse", "hang", "reset")
        if fault is not None and fault.kind == "refuse":
            self.refused += 1
            raise ConnectFailed(f"{self.name}: connection refused")
        if fault is not None and fault.kind == "hang":
            await loop.create_future()
        if self.busy == self.workers and len(self._queue) >= self._limit:
            self.refused += 1
            return Response.json({"service": self.name, "error": "queue full"}, 503)
        served: asyncio.Future[None] = loop.create_future()
        self._count(loop.time())
        self._queue.append(served)
        self._serve_next(loop)
        await served
        if self._random.random() < self._error_rate:
            return Response.json({"service": self.name, "error": "failed"}, 500)
        return Response(200, self._headers, self._body if fault is None else _breaks_off(self._body))

    def _serve_next(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._queue and self.busy < self.workers:
            served = self._queue.popleft()
            if self._notices_departures and served.cancelled():
                self.wasted += 1
                continue
            self.busy += 1
            slow = active_fault(self._faults, loop.time(), "slow")
            seconds = self.service_time.draw(self._random) * (slow.factor if slow else 1)
            loop.call_later(seconds, self._finish, served, loop)

    def _finish(self, served: asyncio.Future[None], loop: asyncio.AbstractEventLoop) -> None:
        self._count(loop.time())
        self.busy -= 1
        if served.cancelled():
            self.wasted += 1
        else:
            self.served += 1
            served.set_result(None)
        self._serve_next(loop)

    def _count(self, now: float) -> None:
        """Account for the time since the number present changed."""
        self.time_in_system += self.present * (now - self._changed)
        self._changed = now

    def __repr__(self) -> str:
        return f"<FakeService {self.name} busy={self.busy}/{self.workers} queued={self.queued}>"


async def _breaks_off(body: object) -> AsyncIterator[bytes]:
    assert isinstance(body, bytes)
    yield body[: len(body) // 2]
    raise UpstreamReset("the service went away in the middle of its answer")
