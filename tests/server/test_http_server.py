"""The server's end: what a drain waits for, and what it does not."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from api_gateway import Request, RequestContext, Response
from api_gateway.server.http_server import CUT, HttpServer
from api_gateway.server.sockets import listen
from tests.support.gateway_server import answering, on_both_loops
from tests.support.raw_client import connect

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LONG = 3600.0


class Held:
    """A handler that answers when it is told to."""

    def __init__(self, body: bytes = b"held", *, stubborn: bool = False) -> None:
        self.asked = asyncio.Event()
        self.release = asyncio.Event()
        self._body = body
        self._stubborn = stubborn

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        self.asked.set()
        while not self.release.is_set():
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                if not self._stubborn:
                    raise
        return Response(200, {}, self._body)


@asynccontextmanager
async def _serving(handler: Held) -> AsyncIterator[tuple[HttpServer, int]]:
    server = HttpServer(answering(handler))
    with listen("127.0.0.1", 0) as listener:
        await server.start(listener)
        try:
            yield server, listener.getsockname()[1]
        finally:
            handler.release.set()
            await server.drain(0)


@on_both_loops
async def test_a_drain_waits_for_the_answer_and_closes_behind_it() -> None:
    handler = Held()
    async with _serving(handler) as (server, port), connect(port) as client:
        client.send(GET)
        await handler.asked.wait()
        async with asyncio.TaskGroup() as tasks:
            drain = tasks.create_task(server.drain(LONG))
            await _refused(port)
            assert not drain.done()
            handler.release.set()
        response = await client.response()
        assert (response.body, response.header("connection")) == (b"held", "close")
        assert await client.ended()


@on_both_loops
async def test_hurry_ends_a_drain_that_waits() -> None:
    handler, hurry = Held(), asyncio.Event()
    async with _serving(handler) as (server, port), connect(port) as client:
        client.send(GET)
        await handler.asked.wait()
        hurry.set()
        await server.drain(LONG, hurry)
        assert await client.rest() == b""


@on_both_loops
async def test_a_client_that_takes_nothing_does_not_outlast_the_drain() -> None:
    handler = Held(b"x" * 32 * 1024 * 1024)
    async with _serving(handler) as (server, port), connect(port, receive_buffer=4096) as client:
        client.send(GET)
        handler.release.set()
        assert (await client.head()).status == 200
        await server.drain(0.1)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await client.reader.readexactly(32 * 1024 * 1024)


async def test_a_request_that_ignores_its_cancellation_does_not_hold_up_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    handler = Held(stubborn=True)
    async with _serving(handler) as (server, port), connect(port) as client:
        client.send(GET)
        await handler.asked.wait()
        with caplog.at_level(logging.WARNING, "api_gateway.server"):
            async with asyncio.timeout(CUT + 1):
                await server.drain(0)
        assert "1 running requests are cut" in caplog.text
        assert await client.rest() == b""


async def test_a_server_that_never_started_has_nothing_to_drain() -> None:
    async with asyncio.timeout(1):
        await HttpServer(answering(Held())).drain(LONG)


async def _refused(port: int) -> None:
    async with asyncio.timeout(2):
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except ConnectionRefusedError:
                return
            await asyncio.sleep(0)
