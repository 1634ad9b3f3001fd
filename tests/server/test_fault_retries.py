"""One of three instances is faulty: retries hide what may be repeated, and repeat nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import pytest

from api_gateway import ApiGateway, BackendService, Endpoint, Request, RequestContext, Response, Route, Router
from api_gateway.middleware.retry import RetryMiddleware
from api_gateway.resilience.backoff import Backoff
from api_gateway.transport.http1 import Http1Transport
from api_gateway.transport.transport import Timeouts
from tests.support.fault_proxy import Cut, Delay, Fault, FaultProxy, Garbage, HalfOpen, Hang, Refuse, fault_proxy
from tests.support.fault_rig import PromptHttp
from tests.support.gateway_server import answering, serve
from tests.support.leaks import settled
from tests.support.raw_client import connect

INSTANCES = 3
TIMEOUTS = Timeouts(connect=5.0, request=0.25, idle=5.0)
"""So long that an instance without a fault keeps to it, however busy the machine is."""


@dataclass
class Rig:
    """A gateway that retries, before three ways to one service."""

    port: int
    proxies: list[FaultProxy]
    service: BackendService
    retry: RetryMiddleware
    bodies: list[bytes] = field(default_factory=list)
    """What the service has read."""

    async def ask(self, method: str, body: bytes = b"") -> int:
        """The status of the answer."""
        framing = b"Content-Length: %d\r\n" % len(body) if body else b""
        async with connect(self.port) as client:
            client.send(b"%b / HTTP/1.1\r\nHost: a\r\n%b\r\n%b" % (method.encode(), framing, body))
            response = await client.response(method)
            assert not response.cut
            return response.status


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    bodies: list[bytes] = []

    async def receipt(request: Request, context: RequestContext) -> Response:
        bodies.append(await request.read())
        return Response.text("well")

    async with AsyncExitStack() as stack:
        port = (await stack.enter_async_context(serve(answering(receipt), http=PromptHttp))).port
        proxies = [await stack.enter_async_context(fault_proxy(port)) for _ in range(INSTANCES)]
        retry = RetryMiddleware(INSTANCES, Backoff(1_000_000, 10_000_000, Random(1)), None)
        endpoints = [Endpoint(proxy.url) for proxy in proxies]
        service = BackendService("service", endpoints, Http1Transport(TIMEOUTS), middleware=[retry])
        gateway = ApiGateway(Router([Route("/*", "service")]), {"service": service})
        server = await stack.enter_async_context(serve(gateway))
        yield Rig(server.port, proxies, service, retry, bodies)
        await settled(gateway)


WITHOUT_AN_ANSWER = [
    Refuse(),
    Cut("connect", "reset"),
    Cut("connect", "close"),
    Cut("request", "reset"),
    Cut("request", "close"),
    Cut("head", "reset"),
    Cut("head", "close"),
    Hang(),
    HalfOpen(),
    Delay(10 * TIMEOUTS.request),
    Garbage("head"),
]


@pytest.mark.parametrize("fault", WITHOUT_AN_ANSWER, ids=str)
async def test_a_get_is_answered_whatever_one_instance_does(fault: Fault) -> None:
    async with rig() as running:
        assert [await running.ask("GET") for _ in range(INSTANCES)] == [200] * INSTANCES
        assert running.retry.retries == 0
        await running.proxies[1].switch(fault)
        assert [await running.ask("GET") for _ in range(2 * INSTANCES)] == [200] * 2 * INSTANCES
        assert running.retry.retries >= 2
        faulty, *others = running.service.endpoints[1], running.service.endpoints[0], running.service.endpoints[2]
        assert faulty.failures == running.retry.retries
        assert [endpoint.failures for endpoint in others] == [0, 0]


async def test_a_post_that_nobody_has_seen_is_sent_to_another_instance() -> None:
    async with rig() as running:
        await running.proxies[1].switch(Refuse())
        assert [await running.ask("POST", b"%d" % number) for number in range(6)] == [200] * 6
        assert running.bodies == [b"%d" % number for number in range(6)]
        assert running.retry.retries >= 2


@pytest.mark.parametrize("fault", [Cut("head", "reset"), Cut("head", "close"), Garbage("head")], ids=str)
async def test_a_post_that_may_have_been_done_is_not_sent_again(fault: Fault) -> None:
    async with rig() as running:
        await running.proxies[1].switch(fault)
        assert [await running.ask("POST", b"%d" % number) for number in range(6)].count(502) == 2
        assert running.bodies == [b"%d" % number for number in range(6)], "each arrived once"
        assert running.retry.retries == 0


async def test_when_no_instance_answers_the_last_failure_is_the_answer_and_nothing_is_left() -> None:
    async with rig() as running:
        for proxy, fault in zip(running.proxies, [Refuse(), Cut("head", "reset"), Hang()], strict=True):
            await proxy.switch(fault)
        assert await running.ask("GET") == 504
        assert running.retry.exhausted == 1
