"""The edge against clients that take their time: every wait for a client ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from api_gateway import Request, RequestContext, Response
from api_gateway.core import asgi
from api_gateway.server.edge_limits import EdgeLimits
from tests.support.gateway_server import answering, on_both_loops, serve, until
from tests.support.raw_client import RawClient, connect

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD_TIMEOUT = 0.1
LIMITS = EdgeLimits(head_timeout=HEAD_TIMEOUT)


async def echo(request: Request, context: RequestContext) -> Response:
    return Response(200, body=await request.read())


async def drip(client: RawClient, start: bytes, piece: bytes) -> None:
    """Send a piece each 10 ms until the connection ends."""
    client.send(start)
    while not client.writer.transport.is_closing():
        client.send(piece)
        await asyncio.sleep(0.01)


class Dripping:
    """A client that drips for as long as the context lasts."""

    def __init__(self, client: RawClient, start: bytes, piece: bytes) -> None:
        self._arguments = client, start, piece

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(drip(*self._arguments))

    async def __aexit__(self, *exception: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        pytest.param(b"GET /", b"a", id="target"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX-A: ", b"a", id="value"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n", b"a:\r\n", id="fields"),
        pytest.param(b"G", b"", id="one byte"),
    ],
)
@on_both_loops
async def test_a_dripping_head_is_408_at_the_total_time(start: bytes, piece: bytes) -> None:
    started = time.monotonic()
    async with serve(answering(echo), LIMITS) as server, connect(server.port) as client:
        async with Dripping(client, start, piece):
            response = await client.response()
        assert time.monotonic() - started >= HEAD_TIMEOUT * 0.9
        assert (response.status, response.header("connection")) == (408, "close")
        assert response.header("content-type") == "application/problem+json"
        assert await client.ended()


@on_both_loops
async def test_a_dripping_head_behind_an_answered_request_is_408() -> None:
    async with serve(answering(echo), LIMITS) as server, connect(server.port) as client:
        client.send(GET)
        assert (await client.response()).status == 200
        async with Dripping(client, b"GET / HT", b""):
            assert (await client.response()).status == 408
        assert await client.ended()


@on_both_loops
async def test_a_client_that_sends_nothing_is_closed_without_an_answer() -> None:
    async with serve(answering(echo), LIMITS) as server, connect(server.port) as client:
        assert await client.ended()


@pytest.mark.parametrize("start", [b"", GET])
@on_both_loops
async def test_a_client_that_drips_line_ends_is_closed(start: bytes) -> None:
    async with serve(answering(echo), LIMITS) as server, connect(server.port) as client:
        client.send(start)
        if start:
            assert (await client.response()).status == 200
        async with Dripping(client, b"", b"\r\n"):
            assert await client.gone()


@on_both_loops
async def test_an_idle_connection_is_closed_after_the_keep_alive_time() -> None:
    async with serve(answering(echo), timeout_keep_alive=0.05) as server, connect(server.port) as client:
        client.send(GET)
        assert (await client.response()).status == 200
        assert await client.ended()


@on_both_loops
async def test_a_half_sent_head_does_not_hurt_the_request_before_it() -> None:
    release = asyncio.Event()

    async def handler(request: Request, context: RequestContext) -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b"first"
            await release.wait()
            yield b"second"

        return Response(200, body=body())

    async with serve(answering(handler), EdgeLimits(head_timeout=0.02)) as server, connect(server.port) as client:
        client.send(GET + b"GET / HT")
        response = await client.head()
        assert response.header("transfer-encoding") == "chunked"
        assert await client.chunk() == b"first"
        await asyncio.sleep(0.05)  # the time of the second head passes
        release.set()
        assert await client.chunk() == b"second"
        assert await client.chunk() == b""
        assert await client.ended()


@on_both_loops
async def test_a_head_that_the_gateway_itself_keeps_waiting_is_not_timed_out() -> None:
    release = asyncio.Event()

    async def handler(request: Request, context: RequestContext) -> Response:
        await release.wait()
        return Response(200, body=b"%d" % len(await request.read()))

    upload = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000)
    async with serve(answering(handler), EdgeLimits(head_timeout=0.02)) as server, connect(server.port) as client:
        client.send(upload + GET[:8])
        connection = await server.connection()
        await until(lambda: connection.flow.read_paused)
        await asyncio.sleep(0.05)  # the time of the second head passes, while nobody reads it
        release.set()
        assert (await client.response()).body == b"100000"
        client.send(GET[8:])
        assert (await client.response()).body == b"0"


@pytest.mark.parametrize("framing", [b"Content-Length: 100", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("start", [b"", b"5\r\nhel"])
@on_both_loops
async def test_a_body_that_pauses_is_408(framing: bytes, start: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "BODY_IDLE_TIMEOUT", 0.05)
    async with serve(answering(echo)) as server, connect(server.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n" + start)
        response = await client.response()
        assert (response.status, response.header("connection")) == (408, "close")
        assert await client.ended()


@on_both_loops
async def test_a_slow_body_that_goes_on_is_served() -> None:
    async with serve(answering(echo), EdgeLimits(head_timeout=0.05)) as server, connect(server.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
        for _ in range(10):
            client.send(b"a")
            await asyncio.sleep(0.01)
        assert (await client.response()).body == b"a" * 10


@on_both_loops
async def test_200_slow_clients_do_not_stop_another() -> None:
    async with serve(answering(echo), EdgeLimits(head_timeout=60)) as server, AsyncExitStack() as stack:
        for number in range(200):
            slow = await stack.enter_async_context(connect(server.port))
            slow.send(b"" if number % 2 else b"GET / HTTP/1.1\r\nHost: ")
        client = await stack.enter_async_context(connect(server.port))
        for _ in range(10):
            client.send(GET)
            assert (await client.response()).status == 200
        assert server.connections == 201
