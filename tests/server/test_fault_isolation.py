"""A service that hangs, and its neighbour behind the same gateway: what the neighbour's clients notice of it.

Measured in real time, with an open loop, so that waiting cannot hide. Rounds with and without the
hanging load take turns, and the best round of each is compared: what else the machine does makes a
round slower, never faster, so the best is the one that it disturbed least. More rounds are only
made where the first ones were disturbed; on a quiet machine the multiple was 0.6 to 1.4.
"""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from api_gateway import (
    ApiGateway,
    BackendService,
    Endpoint,
    Middleware,
    Request,
    RequestContext,
    Response,
    Route,
    Router,
)
from api_gateway.core.middleware import Handler
from api_gateway.transport.http1 import Http1Transport
from api_gateway.transport.transport import Timeouts
from benchmarks.open_loop import Generator
from tests.support.fault_rig import PromptHttp
from tests.support.gateway_server import GatewayServer, answering, serve, until
from tests.support.leaks import settled

RATE = 200
"""Requests a second, to the healthy service."""
ROUND = 0.6
"""Seconds."""
HANGING_RATE = 50
"""Requests a second, to the service that hangs."""
TIMEOUT = 0.4
"""Seconds after which the gateway gives the hanging service up."""
HANGING = 15
"""Requests that hang at least, when the neighbour is measured; 20 is what the rate makes."""
WORSE = 1.5
"""What the neighbour's p99 may become, as a multiple."""
MOST_ROUNDS = 4
GRAIN = 0.003
"""Seconds by which a p99 moves where every processor is busy with other tests. Whatever a hang held would show
in tenths of a second."""


@pytest.fixture(autouse=True)
def _no_long_garbage_collection() -> None:
    """What other tests have left is not looked through while we measure: that takes up to 50 ms."""
    gc.collect()
    gc.freeze()


async def _answer(request: Request, context: RequestContext) -> Response:
    return Response.text("well")


@dataclass(frozen=True)
class Neighbours:
    """Two services behind one gateway; the one named `hanging` does so."""

    gateway: ApiGateway
    server: GatewayServer

    async def p99(self) -> float:
        """Seconds that the healthy service's clients wait, 99 % of them at most."""
        load = await Generator(f"{self.server.url}/healthy", RATE, ROUND).run(8)
        assert load.errors == 0
        return load.p99

    async def p99_beside_hanging(self) -> float:
        """The same, while the other service has clients that wait for it in vain."""
        seconds = TIMEOUT + ROUND
        hanging = Generator(f"{self.server.url}/hanging", HANGING_RATE, seconds)
        others = asyncio.create_task(hanging.run(2 * HANGING))
        await until(lambda: self._in_flight >= HANGING)
        p99 = await self.p99()
        load = await others
        assert load.errors == load.requests, "all of them are refused, with 504"
        await settled(self.gateway)
        return p99

    @property
    def _in_flight(self) -> int:
        service = self.gateway.services["hanging"]
        assert isinstance(service, BackendService)
        return service.endpoints[0].in_flight


@asynccontextmanager
async def neighbours(*middleware: Middleware) -> AsyncIterator[Neighbours]:
    # A hang that takes no time of ours: the kernel takes connections and requests, and nobody else does.
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as hanging:
        async with serve(answering(_answer), http=PromptHttp) as service:
            timeouts = Timeouts(connect=10.0, request=TIMEOUT, idle=10.0)
            services = {
                "healthy": BackendService("healthy", [Endpoint(service.url)], Http1Transport()),
                "hanging": BackendService(
                    "hanging", [Endpoint(f"http://127.0.0.1:{hanging.getsockname()[1]}")], Http1Transport(timeouts)
                ),
            }
            router = Router([Route("/healthy", "healthy"), Route("/hanging", "hanging")])
            gateway = ApiGateway(router, services, middleware)
            async with serve(gateway) as server:
                yield Neighbours(gateway, server)


async def test_a_service_that_hangs_does_not_slow_its_neighbour() -> None:
    alone: list[float] = []
    beside: list[float] = []
    async with neighbours() as both:
        for _ in range(MOST_ROUNDS):
            alone.append(await both.p99())
            beside.append(await both.p99_beside_hanging())
            if len(alone) > 1 and min(beside) <= WORSE * min(alone) + GRAIN:
                return
    raise AssertionError(f"p99 alone {alone}, beside {beside}")


class SharedSlots:
    """The mistake that the test above is there to find: one bulkhead for all services."""

    def __init__(self, slots: int) -> None:
        self._slots = asyncio.Semaphore(slots)

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        async with self._slots:
            return await call_next(request, context)


async def test_the_measurement_finds_a_neighbour_that_is_slowed() -> None:
    async with neighbours(SharedSlots(HANGING)) as both:
        alone = await both.p99()
        beside = await both.p99_beside_hanging()
        assert beside > TIMEOUT / 4
        assert beside > WORSE * alone
