"""Slow bodies: a lowest rate, counted only while the gateway waits for the client."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from api_gateway import Request, RequestContext, Response
from api_gateway.core.asgi import Receive, Scope, Send
from api_gateway.core.errors import RequestTimeout
from api_gateway.core.security_events import SecurityEvents
from api_gateway.middleware.security_events import SecurityEventsMiddleware
from api_gateway.server.body_rate import BodyRate
from api_gateway.server.edge_limits import EdgeLimits
from api_gateway.simulation import run
from tests.support.gateway_server import answering, on_both_loops, serve, until
from tests.support.raw_client import connect

LIMITS = EdgeLimits(min_body_rate=1000, body_grace=0.1)
CHUNKED = b"POST /upload?secret=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


async def count(request: Request, context: RequestContext) -> Response:
    return Response(200, body=b"%d" % len(await request.read()))


# The rule, in virtual time.


async def waits(*pauses: tuple[float, int]) -> float:
    """Wait for pieces of so many bytes after so many seconds each; when patience ends, or all of it."""
    loop = asyncio.get_running_loop()
    rate = BodyRate(loop, minimum=100, grace=10)
    started, received = loop.time(), 0
    try:
        for pause, size in pauses:
            more: asyncio.Future[None] = loop.create_future()
            timer = loop.call_later(pause, more.set_result, None)
            try:
                await rate.wait(more, received)
            finally:
                timer.cancel()
            received += size
    except RequestTimeout:
        return -(loop.time() - started)
    return loop.time() - started


@pytest.mark.parametrize(
    ("pauses", "outcome"),
    [
        pytest.param([(9.9, 1)], 9.9, id="the grace"),
        pytest.param([(11.0, 1)], -10.0, id="nothing for longer than the grace"),
        pytest.param([(1.0, 1)] * 20, -10.1, id="a drip: each byte buys 10 ms"),
        pytest.param([(1.0, 100)] * 60, 60.0, id="exactly the rate"),
        pytest.param([(1.0, 90)] * 300, -91.9, id="a little less than the rate"),
        pytest.param([(0.0, 3000), (39.9, 1)], 39.9, id="what came before buys time"),
        pytest.param([(0.0, 3000), (41.0, 1)], -40.0, id="and not more"),
    ],
)
def test_patience_is_the_grace_and_a_second_for_each_minimum_of_bytes(
    pauses: list[tuple[float, int]], outcome: float
) -> None:
    assert run(waits, *pauses) == pytest.approx(outcome, abs=0.05)


def test_time_in_which_the_gateway_does_not_wait_does_not_count() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        rate = BodyRate(loop, minimum=100, grace=10)
        for _ in range(9):
            more: asyncio.Future[None] = loop.create_future()
            loop.call_later(1.0, more.set_result, None)
            await rate.wait(more, 0)
            await asyncio.sleep(100.0)  # a service takes its time

    run(main)


def test_a_wait_that_is_cancelled_leaves_no_timer_and_its_time_counts() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        rate = BodyRate(loop, minimum=100, grace=10)
        never: asyncio.Future[None] = loop.create_future()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(9.0):
                await rate.wait(never, 0)
        assert never.cancelled()
        began = loop.time()
        with pytest.raises(RequestTimeout):
            await rate.wait(loop.create_future(), 0)
        assert loop.time() - began == pytest.approx(1.0)

    run(main)


# On sockets.


@pytest.mark.parametrize("framing", [b"Content-Length: 1000", b"Transfer-Encoding: chunked"])
@on_both_loops
async def test_a_body_slower_than_the_rate_is_408_though_it_never_pauses(
    framing: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "api_gateway.security")
    events = SecurityEvents()
    gateway = answering(count, SecurityEventsMiddleware(events))
    async with serve(gateway, LIMITS) as server, connect(server.port) as client:
        client.send(b"POST /upload?secret=1 HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n")
        async with asyncio.TaskGroup() as tasks:
            drip = tasks.create_task(_drip(client.send, b"1" if b"Length" in framing else b"1\r\na\r\n"))
            response = await client.response()
            drip.cancel()
        assert (response.status, response.header("connection")) == (408, "close")
        assert "1000 bytes a second" in response.json()["detail"]
        assert await client.ended()
    assert (sum(events.counts.values()), len(caplog.messages)) == (1, 1)
    line = json.loads(caplog.messages[0])
    assert (line["event"], line["status"], line["path"]) == ("malformed", 408, "/upload")
    assert "secret" not in caplog.messages[0]


async def _drip(send: object, piece: bytes) -> None:
    assert callable(send)
    while True:
        send(piece)
        await asyncio.sleep(0.005)


@on_both_loops
async def test_a_slow_service_does_not_make_its_client_slow() -> None:
    """The body waits in our buffers, and in the client's, for longer than a client might keep us waiting."""

    async def slow_reader(request: Request, context: RequestContext) -> Response:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size < 300_000:
                await asyncio.sleep(0.04)
        return Response(200, body=b"%d" % size)

    body = bytes(2_000_000)
    limits = EdgeLimits(min_body_rate=10_000_000, body_grace=0.15)
    async with serve(answering(slow_reader), limits) as server, connect(server.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert (await client.response()).body == b"%d" % len(body)


@on_both_loops
async def test_a_handler_that_waits_for_the_client_to_leave_is_not_a_slow_body() -> None:
    """ASGI's `receive` behind the end of a body waits for the disconnect, which has no rate."""
    left = asyncio.Event()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await answering(count)(scope, receive, send)
            return
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()

    limits = EdgeLimits(min_body_rate=1000, body_grace=0.01)
    async with serve(application, limits) as server:  # type: ignore[arg-type]  # any ASGI application will do
        async with connect(server.port) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await until(lambda: server.running == 1)
            await asyncio.sleep(0.05)  # five times the grace
            assert not left.is_set()
        await asyncio.wait_for(left.wait(), 2)


@on_both_loops
async def test_a_client_that_leaves_in_a_slow_body_leaves_nothing_behind() -> None:
    async with serve(answering(count), EdgeLimits(min_body_rate=1, body_grace=60)) as server:
        async with connect(server.port) as client:
            client.send(CHUNKED + b"1\r\na\r\n")
            await until(lambda: server.running == 1)
            client.reset()
        await server.until_idle()
        assert server.connections == 0
