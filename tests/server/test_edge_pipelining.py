"""Several requests on one connection: answered in order, and none after a doubt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from api_gateway import Request, RequestContext, Response
from api_gateway.server.edge_protocol import MAX_PIPELINED
from tests.support.gateway_server import answering, on_both_loops, serve, until
from tests.support.raw_client import connect

HELLO = b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


class Service:
    """Answers with the target and the body; `/slow` streams, and waits for `release` in between."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.release = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        self.targets.append(request.target)
        if request.path == "/slow":
            return Response(200, body=self._slowly())
        if request.path == "/silent":
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        return Response(200, body=request.target.encode() + await request.read())

    async def _slowly(self) -> AsyncIterator[bytes]:
        yield b"first"
        await self.release.wait()
        yield b"second"


@on_both_loops
async def test_two_requests_are_answered_in_order_though_the_second_is_faster() -> None:
    service = Service()
    async with serve(answering(service)) as server, connect(server.port) as client:
        client.send(get("/slow") + get("/fast"))
        await client.head()
        assert await client.chunk() == b"first"
        assert service.targets == ["/slow"]
        service.release.set()
        assert await client.chunk() == b"second"
        assert await client.chunk() == b""
        assert (await client.response()).body == b"/fast"


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(b"GET / HTTP/1.1\nHost: a\r\n\r\n", id="line"),
        pytest.param(b"GET /\xff HTTP/1.1\r\n\r\n", id="target"),
        pytest.param(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", id="header"),
        pytest.param(b"GET / HTTP/1.1\r\nX-A: " + b"a" * 600_000, id="size"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", id="chunk size"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX", id="chunk end"),
        pytest.param(b"\x00", id="NUL"),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
@on_both_loops
async def test_a_malformed_second_request_waits_for_the_first_answer_and_ends_the_connection(
    second: bytes, at_once: bool
) -> None:
    service = Service()
    async with serve(answering(service)) as server, connect(server.port) as client:
        client.send(get("/slow") + (second if at_once else b""))
        head = await client.head()
        assert await client.chunk() == b"first"
        if not at_once:
            await client.send_all(second)
        service.release.set()
        assert await client.chunk() == b"second"
        assert await client.chunk() == b""
        assert head.status == 200
        # What came after the first answer was on its way may be answered too, in its turn.
        rest = await client.rest()
        assert rest == b"" if at_once else rest[:13] in (b"", b"HTTP/1.1 400 ", b"HTTP/1.1 431 ")
    assert service.targets == ["/slow"]


@on_both_loops
async def test_a_good_request_behind_a_malformed_one_is_never_served() -> None:
    service = Service()
    async with serve(answering(service)) as server, connect(server.port) as client:
        client.send(get("/one") + b"GET / HTTP/1.1\nHost: a\r\n\r\n" + get("/two"))
        assert (await client.response()).body == b"/one"
        client.send(get("/three"))
        assert await client.ended()
    assert service.targets == ["/one"]


@on_both_loops
async def test_bodies_stay_with_their_requests() -> None:
    service = Service()
    counted = b"PUT /counted HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
    chunked = b"PUT /chunked HTTP/1.1\r\nHost: a\r\n" + HELLO
    async with serve(answering(service)) as server, connect(server.port) as client:
        client.send(counted + get("/one") + chunked + chunked + get("/two") + counted)
        bodies = [(await client.response()).body for _ in range(6)]
    assert bodies == [b"/countedabc", b"/one", b"/chunkedhello", b"/chunkedhello", b"/two", b"/countedabc"]


@on_both_loops
async def test_as_many_as_may_wait_are_all_answered_in_order() -> None:
    service = Service()
    paths = [f"/{number}" for number in range(MAX_PIPELINED + 1)]
    async with serve(answering(service)) as server, connect(server.port) as client:
        for _ in range(3):
            client.send(b"".join(map(get, paths)))
            assert [(await client.response()).body.decode() for _ in paths] == paths


@on_both_loops
async def test_of_too_many_the_first_are_answered_and_the_connection_closes() -> None:
    service = Service()
    paths = [f"/{number}" for number in range(5000)]
    async with serve(answering(service)) as server, connect(server.port) as client:
        client.send(b"".join(map(get, paths)))
        answered = paths[: MAX_PIPELINED + 1]
        assert [(await client.response()).body.decode() for _ in answered] == answered
        assert await client.ended()
    assert service.targets == answered


@on_both_loops
async def test_many_heads_in_one_read_are_not_taken_for_one_that_is_too_large() -> None:
    service = Service()
    request = b"GET / HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 3000 + b"\r\n\r\n"
    async with serve(answering(service)) as server, connect(server.port) as client:
        client.send(request * 20 + request[:-10])
        for _ in range(20):
            assert (await client.response()).status == 200
        client.send(request[-10:])
        assert (await client.response()).status == 200


@on_both_loops
async def test_a_head_that_is_too_large_is_refused_behind_another_in_the_same_read_too() -> None:
    service = Service()
    async with serve(answering(service)) as server, connect(server.port) as client:
        client.send(get("/one") + b"GET /two HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 40_000 + b"\r\n\r\n")
        assert (await client.response()).body == b"/one"
        assert await client.ended()
    assert service.targets == ["/one"]


@on_both_loops
async def test_one_connection_serves_many_requests() -> None:
    service = Service()
    async with serve(answering(service)) as server, connect(server.port) as client:
        for number in range(200):
            client.send(get(f"/{number}"))
            assert (await client.response()).body == f"/{number}".encode()
        assert server.connections == 1


@on_both_loops
async def test_a_client_that_leaves_is_noticed_though_more_requests_wait() -> None:
    service = Service()
    async with serve(answering(service)) as server:
        async with connect(server.port) as client:
            client.send(get("/silent") + get("/two") + get("/three"))
            await until(lambda: service.targets)
        async with asyncio.timeout(2):
            await service.cancelled.wait()
        await server.until_idle()
    assert service.targets == ["/silent"]


@on_both_loops
async def test_what_is_behind_an_unread_upload_is_never_served() -> None:
    targets = []

    async def decline(request: Request, context: RequestContext) -> Response:
        targets.append(request.target)
        return Response.text("no", 403)

    upload = b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
    async with serve(answering(decline)) as server, connect(server.port) as client:
        client.send(upload + get("/one") + get("/two"))
        response = await client.response()
        assert (response.status, response.header("connection")) == (403, "close")
        assert await client.ended()
    assert targets == ["/upload"]


@on_both_loops
async def test_connection_close_ends_it_whatever_stands_behind() -> None:
    service = Service()
    async with serve(answering(service)) as server, connect(server.port) as client:
        client.send(b"GET /one HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + get("/two"))
        response = await client.response()
        assert (response.body, response.header("connection")) == (b"/one", "close")
        assert await client.ended()
    assert service.targets == ["/one"]
