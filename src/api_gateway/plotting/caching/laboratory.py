"""Laboratory: a cache before a simulated service, in virtual time, and what each client got.

    clients -> gateway: [ cache ] -> Origin: [ 10 workers and a queue ]

Rule: gateways are built of a configuration, as any other. The cache is their own, over its memory store, unless
another is given to compare with.
An `Origin` says in its answers how they may be kept, and notes when it was asked. Two runs differ in nothing but what
was changed between them.

What it does not do: model a network. What a cache saves here is the origin's work, and the wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from random import Random
from typing import NamedTuple

from api_gateway.build import build_gateway
from api_gateway.build_tools import MiddlewareFactory
from api_gateway.core.api_gateway import ApiGateway
from api_gateway.core.clock import NANOSECONDS
from api_gateway.core.identity import Identity
from api_gateway.core.middleware import Handler, Middleware
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.simulation import FakeService, VirtualClock

NOT_EARLY: Mapping[str, object] = {"early_refresh": 0}
"""Options of a cache that refreshes nothing before its time: one thing in each experiment."""


class Origin:
    """A service whose answers say how they may be kept."""

    def __init__(self, service: FakeService, fields: Mapping[str, str]) -> None:
        """`fields` are added to each good answer."""
        self.asked: list[float] = []
        """Seconds at which it was asked."""
        self._service = service
        self._fields = fields

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        """Answer after the service's own time."""
        self.asked.append(asyncio.get_running_loop().time())
        response = await self._service(request, context)
        if response.status == 200:
            for name, value in self._fields.items():
                response.headers = response.headers.setting(name, value)
        return response


class Got(NamedTuple):
    """What a client got. Times are seconds."""

    sent: float
    duration: float
    status: int
    age: float
    """Of the answer, as it says itself; 0 for one that comes from the origin."""
    stale: bool = False
    """Whether it was past its lifetime, as the cache says."""
    body: bytes = b""


class Clients:
    """Whoever asks one gateway."""

    def __init__(self, gateway: ApiGateway, target: str = "/") -> None:
        """`target` is what they ask for unless they say otherwise."""
        self.got: list[Got] = []
        """In the order in which the answers came."""
        self._gateway = gateway
        self._request = Request("GET", target)

    async def ask(self, request: Request | None = None, identity: Identity | None = None) -> Got:
        """One request, and its answer to the end; `identity` is who asks, as authentication has proved."""
        loop = asyncio.get_running_loop()
        sent = loop.time()
        context = RequestContext(round(sent * NANOSECONDS))
        context.identity = identity
        response = await self._gateway.handle(request or self._request, context)
        body = await response.read()
        age = float(response.header("age") or 0)
        stale = "ttl=-" in (response.header("cache-status") or "")
        got = Got(sent, loop.time() - sent, response.status, age, stale, body)
        self.got.append(got)
        return got

    async def crowd(self, count: int) -> None:
        """So many ask at the same moment; over when all have their answers."""
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(self._ask())

    async def _ask(self) -> None:
        await self.ask()


def gateway_with_cache(
    origin: Handler, options: Mapping[str, object] = NOT_EARLY, service: Mapping[str, object] = {}, *, seed: int = 1
) -> ApiGateway:
    """The gateway's own cache before `origin`.

    Args:
        origin: answers everything.
        options: what stands behind `cache:` in the configuration.
        service: what stands there about the origin, such as its circuit breaker.
        seed: of the dice.
    """
    config = {
        "services": {"origin": service},
        "middleware": [{"cache": options}],
        "routes": [{"path": "/*", "service": "origin"}],
    }
    return build_gateway(config, {"origin": origin}, clock=VirtualClock(), random=Random(f"gateway {seed}"))


def gateway_with(origin: Handler, *layers: Middleware) -> ApiGateway:
    """Other middleware before `origin`, or none."""
    config = {
        "middleware": [{f"layer-{place}": None} for place in range(len(layers))],
        "routes": [{"path": "/*", "service": "origin"}],
    }
    factories = {f"layer-{place}": _always(layer) for place, layer in enumerate(layers)}
    clock, random = VirtualClock(), Random("gateway")
    return build_gateway(config, {"origin": origin}, clock=clock, random=random, middleware=factories)


def _always(layer: Middleware) -> MiddlewareFactory:
    return lambda _options, _tools: layer
