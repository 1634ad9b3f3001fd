"""The cache between real sockets: streaming into the store, a 304 to a client, a client that leaves in mid-fill."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx2 as httpx

from api_gateway import Request, RequestContext, Response
from api_gateway.caching.memory_store import MemoryCacheStore
from api_gateway.core.clock import SystemClock
from api_gateway.middleware.cache.cache_middleware import CacheMiddleware
from tests.support.gateway_server import answering, proxying, serve, until


class Origin:
    """Answers in two parts, the second when it is let."""

    def __init__(self) -> None:
        self.calls = self.open = 0
        self.go_on = asyncio.Event()

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        self.calls += 1
        self.open += 1
        response = Response(200, {"cache-control": "max-age=60", "etag": '"v1"'}, self._parts())
        response.on_close(self._closed)
        return response

    async def _parts(self) -> AsyncIterator[bytes]:
        yield b"first, "
        await self.go_on.wait()
        yield b"second"

    def _closed(self) -> None:
        self.open -= 1


def made() -> CacheMiddleware:
    clock = SystemClock()
    return CacheMiddleware(MemoryCacheStore(1_000_000, clock), clock=clock)


async def test_a_body_streams_to_its_client_while_it_is_kept_and_answers_conditions() -> None:
    origin, cache = Origin(), made()
    async with (
        serve(answering(origin)) as service,
        serve(proxying(service.url, cache)) as gateway,
        httpx.AsyncClient(base_url=gateway.url) as client,
    ):
        async with client.stream("GET", "/a") as answer:
            chunks = answer.aiter_raw()
            assert await anext(chunks) == b"first, "
            joined = asyncio.create_task(client.get("/a"))
            await until(lambda: gateway.running == 2)
            origin.go_on.set()
            assert b"".join([chunk async for chunk in chunks]) == b"second"
            assert (await joined).content == b"first, second"
        hit = await client.get("/a")
        assert (hit.content, hit.headers["age"]) == (b"first, second", "0")
        assert "hit" in hit.headers["cache-status"]
        unchanged = await client.get("/a", headers={"if-none-match": '"v1"'})
        assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", '"v1"')
        head = await client.head("/a")
        assert (head.status_code, head.content) == (200, b"")
        assert origin.calls == 1


async def test_a_client_that_leaves_in_mid_fill_ends_the_services_answer_and_keeps_nothing() -> None:
    origin, cache = Origin(), made()
    async with serve(answering(origin)) as service, serve(proxying(service.url, cache)) as gateway:
        async with (
            httpx.AsyncClient(base_url=gateway.url) as client,
            client.stream("GET", "/a") as answer,
        ):
            assert await anext(answer.aiter_raw()) == b"first, "
            assert origin.open == 1
        await until(lambda: not origin.open)
        await gateway.until_idle()
        assert (cache.flights, cache.keeper.stored, cache.background) == (0, 0, 0)
        origin.go_on.set()
        async with httpx.AsyncClient(base_url=gateway.url) as client:
            assert (await client.get("/a")).content == b"first, second"
        assert origin.calls == 2


async def test_the_first_client_leaving_does_not_cut_the_one_who_joined() -> None:
    origin, cache = Origin(), made()
    async with serve(answering(origin)) as service, serve(proxying(service.url, cache)) as gateway:
        first = httpx.AsyncClient(base_url=gateway.url)
        async with httpx.AsyncClient(base_url=gateway.url) as client:
            async with first, first.stream("GET", "/a") as answer:
                chunks = answer.aiter_raw()
                await anext(chunks)
                # The first waits in a pull, so the second waits for its end, which the next part brings.
                second = asyncio.create_task(client.get("/a"))
                await until(lambda: gateway.running == 2)
                origin.go_on.set()
            assert (await second).content == b"first, second"
        await until(lambda: not origin.open)
