"""Traced: one request through the real gateway, with an observer between every two layers.

    client -> rate limit (a queue) -> retry -> concurrency limit -> network -> service's queue -> service's work

Rule: an observer notes when the request comes by and when its answer comes back. A layer's *own* time is its visit
without the visits to the layer behind it, so the own times add up to what the client waited, and nothing is drawn by
hand. When a worker begins is noted by the service time itself, which is drawn at that moment; as the queue is first
come, first served, the n-th arrival has the n-th draw.

The gateway is built for this: two endpoints, of which one answers 500, and other clients who keep them busy. The
request was chosen because everything happens to it.

What it does not do: show the gateway's own work. That takes microseconds, and in virtual time nothing; `costs.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple, TypeAlias

from api_gateway.backend.backend_service import BackendService
from api_gateway.backend.endpoint import Endpoint
from api_gateway.build import build_gateway
from api_gateway.core.clock import NANOSECONDS
from api_gateway.core.middleware import Handler, Middleware
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.middleware.bulkhead import BulkheadMiddleware
from api_gateway.middleware.retry import RetryMiddleware
from api_gateway.resilience.backoff import Backoff
from api_gateway.simulation import (
    Constant,
    Experiment,
    FakeService,
    Outcome,
    ServiceTime,
    Steady,
    VirtualClock,
    open_loop,
    run,
)
from api_gateway.transport.in_process import InProcessTransport

Visit: TypeAlias = tuple[float, float]
"""From when to when, seconds of the event loop."""

STAGES = ("rate limit", "retry", "concurrency limit", "network", "service's queue", "service's work")
_TRACED = "/traced"


class Trace(NamedTuple):
    """What happened to one request."""

    outcome: Outcome
    visits: Mapping[str, Sequence[Visit]]
    """For each stage, outermost first, when the request was in it or behind it."""

    def own(self, stage: str) -> list[Visit]:
        """When the request was in this stage, and not behind it."""
        names = list(self.visits)
        inner = self.visits[names[names.index(stage) + 1]] if stage != names[-1] else []
        pieces = []
        for entered, left in self.visits[stage]:
            for start, end in inner:
                if entered <= start and end <= left:
                    pieces.append((entered, start))
                    entered = end
            pieces.append((entered, left))
        return [(start, end) for start, end in pieces if end > start]

    def seconds(self, stage: str) -> float:
        """Its own time."""
        return sum(end - start for start, end in self.own(stage))


class Observers:
    """Makes observers, and keeps what they see of the one request."""

    def __init__(self, stages: Sequence[str] = STAGES) -> None:
        self.visits: dict[str, list[Visit]] = {stage: [] for stage in stages}

    def before(self, stage: str) -> Middleware:
        """A layer to stand just before `stage`."""

        async def observe(request: Request, context: RequestContext, call_next: Handler) -> Response:
            loop = asyncio.get_running_loop()
            entered = loop.time()
            try:
                return await call_next(request, context)
            finally:
                if request.path == _TRACED:
                    self.visits[stage].append((entered, loop.time()))

        return observe

    def around(self, service: FakeService) -> Handler:
        """`service`, with its queue and its work noted apart; its queue must have no bound."""
        service.service_time = started = _Started(service.service_time)

        async def handle(request: Request, context: RequestContext) -> Response:
            entered, number = asyncio.get_running_loop().time(), service.arrived
            response = await service(request, context)
            if request.path == _TRACED:
                end = asyncio.get_running_loop().time()
                self.visits["service's queue"].append((entered, end))
                self.visits["service's work"].append((started.at[number], end))
            return response

        return handle


class _Started:
    """A service time that notes when it is asked for."""

    def __init__(self, usual: ServiceTime) -> None:
        self._usual = usual
        self.at: list[float] = []

    @property
    def mean(self) -> float:
        return self._usual.mean

    def draw(self, random: Random) -> float:
        self.at.append(asyncio.get_running_loop().time())
        return self._usual.draw(random)


class _Distant:
    """A transport with a network before the services."""

    def __init__(self, handlers: Mapping[str, Handler], delay: float) -> None:
        self._transport = InProcessTransport(handlers)
        self._delay = delay

    async def send(self, url: str, request: Request, context: RequestContext) -> Response:
        await asyncio.sleep(self._delay)
        response = await self._transport.send(url, request, context)
        await asyncio.sleep(self._delay)
        return response

    async def close(self) -> None:
        await self._transport.close()


def traced_request(at: float = 2.5, *, others: float = 15, delay: float = 0.004, seed: int = 2) -> Trace:
    """Send one request at second `at`, while `others` come each second; `delay` is the network's, one way."""

    async def main() -> Trace:
        observers, clock, random = Observers(), VirtualClock(), Random(f"retry {seed}")
        bad = FakeService(Constant(0.02), error_rate=1, random=Random(1), name="bad")
        good = FakeService(Constant(0.045), random=Random(2), name="good")
        handlers = {"in-process://bad": observers.around(bad), "in-process://good": observers.around(good)}
        layers = [
            observers.before("retry"),
            RetryMiddleware(2, Backoff(50_000_000, NANOSECONDS, random), None, on=[500], clock=clock),
            observers.before("concurrency limit"),
            BulkheadMiddleware(2, queue=100, clock=clock),
            observers.before("network"),
        ]
        endpoints = [Endpoint(url) for url in handlers]
        service = BackendService("shop", endpoints, _Distant(handlers, delay), middleware=layers, clock=clock)
        limit = {"algorithm": "leaky_bucket_queue", "rate": "20/s", "burst": 20, "key": "header:X-API-Key"}
        gateway = build_gateway(
            {"middleware": ["observe", {"rate_limit": limit}], "routes": [{"path": "/*", "service": "shop"}]},
            {"shop": service},
            clock=clock,
            random=Random(3),
            middleware={"observe": lambda _options, _tools: observers.before("rate limit")},
        )
        experiment, keys = Experiment(gateway), iter(range(1_000_000))

        async def other() -> None:
            await experiment.send(Request("GET", "/", headers={"X-API-Key": f"other {next(keys)}"}))

        traffic = asyncio.create_task(open_loop(Steady(others), at + 1, other, Random(f"others {seed}")))
        await asyncio.sleep(at)
        ours = {"X-API-Key": "ours"}
        earlier = asyncio.create_task(experiment.send(Request("GET", "/earlier", headers=ours)))
        await asyncio.sleep(0)
        outcome = await experiment.send(Request("GET", _TRACED, headers=ours))
        await asyncio.gather(traffic, earlier)
        return Trace(outcome, observers.visits)

    return run(main)
