"""Experiment: what became of every request, and how the system stood over time.

    experiment = Experiment(gateway)
    experiment.watch_services()                            # in flight, health, circuit, retries, queue
    experiment.watch("queue", lambda: service.queued)
    async with experiment.sampling(every=1.0):
        await open_loop(Steady(100), 60, experiment.send, random)
    experiment.latency(0.99), experiment.rate(200), experiment.series["queue"]

Rule: one `Outcome` for each request: when it was sent, how long until its last byte, which status, whose
fault. Nothing is averaged on the way: averages hide what percentiles show. A response whose body
breaks off has status 0, as a client would see no end of it.

What it does not do: plot (`api_gateway.plotting`), or decide what to send when (`traffic.py`).
"""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import NamedTuple, TypeAlias

from api_gateway.backend.backend_service import BackendService
from api_gateway.core.api_gateway import ApiGateway
from api_gateway.core.clock import NANOSECONDS
from api_gateway.core.errors import GatewayError
from api_gateway.core.middleware import Middleware
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.middleware.bulkhead import BulkheadMiddleware
from api_gateway.middleware.circuit_breaking import CircuitBreakingMiddleware
from api_gateway.middleware.retry import RetryMiddleware
from api_gateway.resilience.circuit_states import CircuitState

Reading: TypeAlias = Callable[[], float]

_OPENNESS = {CircuitState.CLOSED: 0.0, CircuitState.HALF_OPEN: 0.5, CircuitState.OPEN: 1.0}


class Outcome(NamedTuple):
    """One request. Times are seconds of the event loop."""

    sent: float
    duration: float
    status: int
    """0 if the body broke off."""
    flag: str
    """Who failed, as in the access log; `-` when nobody did."""
    endpoint: str
    attempts: int


class Experiment:
    """Sends requests to one gateway and writes down what happens."""

    def __init__(self, gateway: ApiGateway, target: str = "/", method: str = "GET") -> None:
        """`method` and `target` are what `send` asks for."""
        self.gateway = gateway
        self.outcomes: list[Outcome] = []
        self.series: dict[str, list[tuple[float, float]]] = {}
        self._request = Request(method, target)
        self._watched: dict[str, Reading] = {}

    async def send(self, request: Request | None = None) -> Outcome:
        """Send one request, read its answer to the end, and write the outcome down.

        Without `request` it is the experiment's own, the same each time.
        """
        loop = asyncio.get_running_loop()
        sent = loop.time()
        context = RequestContext(round(sent * NANOSECONDS))
        response = await self.gateway.handle(request or self._request, context)
        status, flag = response.status, context.flag
        try:
            await response.read()
        except GatewayError as error:
            status, flag = 0, error.flag
        outcome = Outcome(sent, loop.time() - sent, status, flag, context.endpoint, context.attempts)
        self.outcomes.append(outcome)
        return outcome

    def watch(self, name: str, value: Reading) -> None:
        """Take `value()` at every sample, into `series[name]` as pairs of time and value."""
        self._watched[name] = value
        self.series[name] = []

    def watch_services(self) -> None:
        """Watch all there is to see of each service: `orders in flight`, and so on.

        | series          | is                                                               |
        |-----------------|------------------------------------------------------------------|
        | `... in flight` | requests at its endpoints                                        |
        | `... healthy`   | endpoints against which nothing is known                         |
        | `... circuit`   | 0 closed, 0.5 half open, 1 open; where it has a breaker          |
        | `... retries`   | tries after the first, so far; where it has retries              |
        | `... queued`    | requests that wait for a place; where its concurrency is limited |
        """
        for name, service in self.gateway.services.items():
            if isinstance(service, BackendService):
                for what, value in _readings(service):
                    self.watch(f"{name} {what}", value)

    @asynccontextmanager
    async def sampling(self, every: float) -> AsyncIterator[None]:
        """Sample what is watched, each so many seconds, from now to the end of the block."""
        sampler = asyncio.create_task(self._sample(every), name="sampler")
        try:
            yield
        finally:
            sampler.cancel()
            await asyncio.wait([sampler])

    async def _sample(self, every: float) -> None:
        loop = asyncio.get_running_loop()
        while True:
            for name, value in self._watched.items():
                self.series[name].append((loop.time(), value()))
            await asyncio.sleep(every)

    # What the numbers say.

    def statuses(self) -> Counter[int]:
        """How often each status was the outcome."""
        return Counter(outcome.status for outcome in self.outcomes)

    def durations(self, status: int | None = None) -> list[float]:
        """Seconds of all requests, or of those with one status, shortest first."""
        return sorted(outcome.duration for outcome in self.outcomes if status is None or outcome.status == status)

    def latency(self, share: float, status: int | None = None) -> float:
        """The duration that `share` of the requests did not exceed: 0.99 for the p99; NaN without any."""
        durations = self.durations(status)
        return durations[max(0, math.ceil(share * len(durations)) - 1)] if durations else math.nan

    def mean(self, status: int | None = None) -> float:
        """The average duration; NaN without any."""
        durations = self.durations(status)
        return math.fsum(durations) / len(durations) if durations else math.nan

    def goodput(self, width: float, within: float = math.inf) -> list[tuple[float, float]]:
        """Useful answers a second (below 400, no later than `within`), for each `width` seconds of sending."""
        counts: Counter[int] = Counter()
        for outcome in self.outcomes:
            if 0 < outcome.status < 400 and outcome.duration <= within:
                counts[int(outcome.sent // width)] += 1
        last = max((int(outcome.sent // width) for outcome in self.outcomes), default=-1)
        return [(number * width, counts[number] / width) for number in range(last + 1)]

    def transcript(self) -> bytes:
        """Everything that was written down, as JSON: two runs with one seed give the same bytes.

        Times are whole nanoseconds, because the last digit of a logarithm is the machine's own.
        """
        outcomes = [
            (round(outcome.sent * NANOSECONDS), round(outcome.duration * NANOSECONDS), *outcome[2:])
            for outcome in self.outcomes
        ]
        series = {
            name: [(round(time * NANOSECONDS), value) for time, value in samples]
            for name, samples in self.series.items()
        }
        return json.dumps({"outcomes": outcomes, "series": series}, separators=(",", ":")).encode()


def _readings(service: BackendService) -> Iterator[tuple[str, Reading]]:
    yield "in flight", lambda: sum(endpoint.in_flight for endpoint in service.endpoints)
    yield "healthy", lambda: sum(service.health_of(endpoint).state == "healthy" for endpoint in service.endpoints)
    for layer in service.middleware:
        yield from _readings_of_layer(layer)


def _readings_of_layer(layer: Middleware) -> Iterator[tuple[str, Reading]]:
    match layer:
        case CircuitBreakingMiddleware():
            yield "circuit", lambda: _OPENNESS[layer.state]
        case RetryMiddleware():
            yield "retries", lambda: layer.retries
        case BulkheadMiddleware():
            yield "queued", lambda: layer.queued
