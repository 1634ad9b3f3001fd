"""Rate limits over real sockets: as a client meets them, with what it gets back and what is freed when it leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from api_gateway import ApiGateway, Handler, Request, RequestContext, Response, build_gateway
from api_gateway.middleware.rate_limit.rate_limit_middleware import RateLimitMiddleware
from api_gateway.rate_limiting import Concurrency
from api_gateway.rate_limiting.memory_store import MemoryStore
from tests.support.gateway_server import serve, until
from tests.support.raw_client import RawResponse, connect

GET = b"GET / HTTP/1.1\r\nHost: a\r\n%s\r\n"


def limited(entry: object, service: Handler, **config: object) -> ApiGateway:
    document = {"middleware": [{"rate_limit": entry}], "routes": [{"path": "/*", "service": "s"}], **config}
    return build_gateway(document, {"s": service})


def in_flight(gateway: ApiGateway) -> int:
    (layer,) = (layer for layer in gateway.middleware if isinstance(layer, RateLimitMiddleware))
    store = gateway.resources[0]
    assert isinstance(store, MemoryStore)
    limiter = store.limiters[layer.policies[0].limit]
    assert isinstance(limiter, Concurrency)
    return limiter.in_flight("127.0.0.1")


async def served(request: Request, context: RequestContext) -> Response:
    return Response.text("served")


async def ask(port: int, *headers: bytes) -> RawResponse:
    """One request over a connection, and so a port, of its own."""
    async with connect(port) as client:
        client.send(GET % b"".join(header + b"\r\n" for header in headers))
        return await client.response()


async def test_the_limit_holds_over_all_connections_of_an_address() -> None:
    async with serve(limited({"algorithm": "gcra", "rate": "2/h"}, served)) as server:
        answers = [await ask(server.port) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [answer.header("ratelimit") for answer in answers[:2]] == [
        '"client_ip:2/h";r=1;t=1800',
        '"client_ip:2/h";r=0;t=1800',
    ]
    refused = answers[-1]
    assert refused.header("ratelimit-policy") == '"client_ip:2/h";q=2;w=3600'
    assert refused.header("content-type") == "application/problem+json"
    assert 1790 <= int(refused.header("retry-after") or 0) <= 1800
    assert refused.json()["violated-policies"] == ["client_ip:2/h"]


async def test_a_refused_connection_goes_on_to_be_used() -> None:
    async with serve(limited({"rate": "1/h"}, served)) as server, connect(server.port) as client:
        statuses = []
        for _ in range(3):
            client.send(GET % b"")
            statuses.append((await client.response()).status)
    assert statuses == [200, 429, 429]


async def test_a_forwarded_address_counts_only_from_a_trusted_proxy() -> None:
    forwarded = [b"X-Forwarded-For: 192.0.2.%d" % number for number in range(1, 4)]
    # Uvicorn's own reading of these headers is off, as it is where the gateway is run.
    async with serve(limited({"rate": "1/h"}, served), proxy_headers=False) as server:
        assert [(await ask(server.port, header)).status for header in forwarded] == [200, 429, 429]
    gateway = limited({"rate": "1/h"}, served, trusted_proxies=["127.0.0.1"])
    async with serve(gateway, proxy_headers=False) as server:
        assert [(await ask(server.port, header)).status for header in forwarded] == [200, 200, 200]
        assert (await ask(server.port, b"X-Forwarded-For: 198.51.100.1, 192.0.2.1")).status == 429


@pytest.mark.parametrize("headers", [(), (b"X-API-Key:",), (b"X-API-Key: a", b"X-API-Key: b")])
async def test_a_request_without_its_key_is_400(headers: tuple[bytes, ...]) -> None:
    async with serve(limited({"rate": "1/h", "key": "header:X-API-Key"}, served)) as server:
        assert (await ask(server.port, *headers)).status == 400
        assert (await ask(server.port, b"X-API-Key: " + b"k" * 8000)).status == 200


async def test_a_client_that_leaves_in_the_middle_of_its_answer_gives_its_place_back() -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"one"
        await asyncio.Event().wait()

    async def service(request: Request, context: RequestContext) -> Response:
        return Response(body=endless())

    gateway = limited({"algorithm": "concurrency", "limit": 1}, service)
    async with serve(gateway) as server:
        async with connect(server.port) as client:
            client.send(GET % b"")
            assert (await client.head()).status == 200
            assert in_flight(gateway) == 1
            refused = await ask(server.port)
            assert (refused.status, refused.header("retry-after")) == (429, "1")
            client.reset()
        await until(lambda: in_flight(gateway) == 0)


async def test_a_client_that_leaves_while_it_waits_for_its_turn_asks_nobody() -> None:
    asked = 0

    async def service(request: Request, context: RequestContext) -> Response:
        nonlocal asked
        asked += 1
        return Response.text("served")

    gateway = limited({"algorithm": "leaky_bucket_queue", "rate": "1/h", "burst": 1}, service)
    async with serve(gateway) as server:
        assert (await ask(server.port)).status == 200
        async with connect(server.port) as client:
            client.send(GET % b"")
            await until(lambda: server.running)
            client.reset()
        await server.until_idle()
        assert (await ask(server.port)).status == 429, "its turn is taken all the same"
    assert asked == 1
