"""Five hundred clients that mean to keep the gateway busy, and others that want to be served meanwhile."""

from __future__ import annotations

import asyncio
import resource
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import pytest

from api_gateway import Request, RequestContext, Response
from api_gateway.core.security_events import SecurityEvents
from api_gateway.middleware.security_events import SecurityEventsMiddleware
from api_gateway.server.edge_limits import EdgeLimits
from api_gateway.server.http_server import HttpServer
from tests.support.gateway_server import answering, until
from tests.support.leaks import Holdings
from tests.support.raw_client import connect

CROWD = 500
PATIENCE = 10.0
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SLOWEST = 0.5
"""Seconds for the slowest answer meanwhile: a gateway that waits for the crowd would need all of its timeouts."""


@pytest.fixture(autouse=True)
def enough_descriptors() -> Iterator[None]:
    """Both ends of the crowd are in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * CROWD + 500
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            pytest.skip("this process may not open that many files")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def count(request: Request, context: RequestContext) -> Response:
    return Response(200, body=b"%d" % len(await request.read()))


class Served:
    """A server as production has it, and its stream of events."""

    def __init__(self, **limits: object) -> None:
        self.events = SecurityEvents()
        gateway = answering(count, SecurityEventsMiddleware(self.events))
        settings = {"max_connections_per_address": 2 * CROWD, **limits}
        self.server = HttpServer(gateway.asgi, EdgeLimits(**settings), self.events)  # type: ignore[arg-type]

    async def __aenter__(self) -> Served:
        listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.port: int = listener.getsockname()[1]
        await self.server.start(listener)
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.server.drain(0.0)

    @property
    def open(self) -> int:
        return len(self.server.connections)


@contextmanager
def crowd(port: int) -> Iterator[list[socket.socket]]:
    """Plain sockets: what the crowd costs this process is the sending, not a protocol of our own."""
    clients: list[socket.socket] = []
    try:
        for _ in range(CROWD):
            client = socket.create_connection(("127.0.0.1", port))
            client.setblocking(False)
            clients.append(client)
        yield clients
    finally:
        for client in clients:
            client.close()


def send(clients: list[socket.socket], data: bytes) -> None:
    for client in clients:
        with suppress(OSError):  # ended by the gateway, which is what the tests wait for
            client.send(data)


@asynccontextmanager
async def dripping(clients: list[socket.socket], piece: bytes, seconds: float) -> AsyncIterator[None]:
    """Every client sends a piece every so often, as long as this lasts."""

    async def drip() -> None:
        while True:
            await asyncio.sleep(seconds)
            send(clients, piece)

    task = asyncio.create_task(drip())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def slowest_answer(port: int, requests: int = 30) -> float:
    """Seconds, over requests of others, half of them on connections of their own."""
    slowest = 0.0
    async with connect(port) as steady:
        for _ in range(requests):
            started = time.monotonic()
            steady.send(GET)
            assert (await steady.response(seconds=PATIENCE)).status == 200
            async with connect(port) as fresh:
                fresh.send(GET)
                assert (await fresh.response(seconds=PATIENCE)).status == 200
            slowest = max(slowest, (time.monotonic() - started) / 2)
    return slowest


def statuses(clients: list[socket.socket]) -> set[bytes]:
    """How the first line of what each client got begins."""
    return {client.recv(4096)[:12] for client in clients}


async def test_500_dripping_heads_do_not_stop_others_and_are_ended_at_the_head_timeout() -> None:
    before = Holdings.now()
    async with Served(head_timeout=1.0) as served:
        with crowd(served.port) as clients:
            send(clients, b"GET / HTTP/1.1\r\nX-A: ")
            async with dripping(clients, b"a", 0.1):
                await until(lambda: served.open == CROWD, PATIENCE)
                assert await slowest_answer(served.port) < SLOWEST
                assert served.open >= CROWD
                await until(lambda: served.events.counts.get(("malformed", "")) == CROWD, PATIENCE)
            assert statuses(clients) == {b"HTTP/1.1 408"}
        await until(lambda: served.open == 0, PATIENCE)
        assert await slowest_answer(served.port, 1) < SLOWEST
    await before.again()


async def test_500_dripping_bodies_do_not_stop_others_and_are_ended_by_the_lowest_rate() -> None:
    before = Holdings.now()
    async with Served(min_body_rate=1000, body_grace=1.0) as served:
        with crowd(served.port) as clients:
            send(clients, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
            async with dripping(clients, b"a", 0.1):
                await until(lambda: served.open == CROWD, PATIENCE)
                assert await slowest_answer(served.port) < SLOWEST
                await until(lambda: sum(served.events.counts.values()) == CROWD, PATIENCE)
            assert {name for name, _ in served.events.counts} == {"malformed"}
            assert statuses(clients) == {b"HTTP/1.1 408"}
        await until(lambda: served.open == 0, PATIENCE)
    await before.again()


async def test_500_idle_connections_make_room_for_others() -> None:
    before = Holdings.now()
    async with Served(max_connections=CROWD) as served:
        with crowd(served.port) as clients:
            send(clients, GET)
            await until(lambda: served.open == CROWD, PATIENCE)
            async with connect(served.port) as client:
                for _ in range(3):
                    client.send(GET)
                    assert (await client.response(seconds=PATIENCE)).status == 200
            assert served.server.connections.refused == 0
            assert served.open < CROWD
        await until(lambda: served.open == 0, PATIENCE)
    await before.again()


async def test_500_silent_connections_are_ended_at_the_head_timeout() -> None:
    before = Holdings.now()
    async with Served(head_timeout=0.5) as served:
        with crowd(served.port):
            await until(lambda: served.open == CROWD, PATIENCE)
            assert await slowest_answer(served.port, 10) < SLOWEST
            await until(lambda: served.open == 0, PATIENCE)
        assert served.events.counts == {}
    await before.again()
