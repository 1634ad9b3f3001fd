"""How connections end: who leaves when, what the handler notices, what the client can tell."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from api_gateway import Headers, Request, RequestContext, Response
from api_gateway.server.edge_limits import EdgeLimits
from tests.support.gateway_server import answering, on_both_loops, serve, until
from tests.support.raw_client import RawClient, connect

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
GET_1_0 = b"GET / HTTP/1.0\r\n\r\n"
CHUNK = b"x" * 65536


@pytest.fixture(autouse=True)
def _nothing_is_an_error(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    errors = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert errors == []


async def happens(event: asyncio.Event) -> None:
    async with asyncio.timeout(2):
        await event.wait()


class Service:
    """A service that reports what becomes of its one request."""

    def __init__(self, pieces: int = 0, length: int | None = None) -> None:
        """Sends `pieces` of 5 bytes, then waits; without pieces it does not even send a head."""
        self.called = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.closed = asyncio.Event()
        self.stream_ended = asyncio.Event()
        self.release = asyncio.Event()
        self.fail = False
        self._pieces = pieces
        self._length = length

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        self.called.set()
        headers = {} if self._length is None else {"content-length": str(self._length)}
        if self._pieces:
            response = Response(200, headers, self._body())
            response.on_close(self.closed.set)
            return response
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return Response.text("at last")

    async def _body(self) -> AsyncIterator[bytes]:
        try:
            for _ in range(self._pieces):
                yield b"piece"
            await self.release.wait()
            if self.fail:
                raise ConnectionResetError("the service died")
        finally:
            self.stream_ended.set()


async def leave(client: RawClient) -> None:
    client.writer.close()


async def half_close(client: RawClient) -> None:
    client.finish_sending()


async def reset(client: RawClient) -> None:
    client.reset()


ways_to_leave = pytest.mark.parametrize("go", [leave, half_close, reset])
Leaving = Callable[[RawClient], Awaitable[None]]


# The client leaves.


@ways_to_leave
@pytest.mark.parametrize("request_line", [b"GET / HTTP/1.1", b"GET / HTTP/1.0"])
@on_both_loops
async def test_a_client_that_leaves_before_its_answer_cancels_the_handler(go: Leaving, request_line: bytes) -> None:
    service = Service()
    async with serve(answering(service)) as server, connect(server.port) as client:
        client.send(request_line + b"\r\nHost: a\r\n\r\n")
        await happens(service.called)
        await go(client)
        await happens(service.cancelled)
        await server.until_idle()


@ways_to_leave
@on_both_loops
async def test_a_client_that_leaves_in_its_upload_cancels_the_handler(go: Leaving) -> None:
    cancelled = asyncio.Event()
    reading = asyncio.Event()

    async def handler(request: Request, context: RequestContext) -> Response:
        try:
            async for _ in request.stream():
                reading.set()
        finally:
            cancelled.set()
        return Response.text("all there")

    async with serve(answering(handler)) as server, connect(server.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
        await happens(reading)
        await go(client)
        await happens(cancelled)
        await server.until_idle()


@ways_to_leave
@on_both_loops
async def test_a_client_that_leaves_in_its_answer_closes_the_response(go: Leaving) -> None:
    service = Service(pieces=1)
    async with serve(answering(service)) as server, connect(server.port) as client:
        client.send(GET)
        await client.head()
        assert await client.chunk() == b"piece"
        await go(client)
        await happens(service.stream_ended)
        await happens(service.closed)
        await server.until_idle()


@ways_to_leave
@on_both_loops
async def test_a_client_that_leaves_after_its_answer_is_forgotten(go: Leaving) -> None:
    service = Service()
    service.release.set()
    async with serve(answering(service)) as server, connect(server.port) as client:
        client.send(GET)
        assert (await client.response()).body == b"at last"
        connection = await server.connection()
        await go(client)
        await until(connection.transport.is_closing)
        assert not service.cancelled.is_set()


@on_both_loops
async def test_a_client_that_stops_reading_stops_the_stream_and_leaving_closes_it() -> None:
    produced = 0
    ended = asyncio.Event()

    async def flood() -> AsyncIterator[bytes]:
        nonlocal produced
        try:
            while True:
                produced += len(CHUNK)
                yield CHUNK
        finally:
            ended.set()

    async def handler(request: Request, context: RequestContext) -> Response:
        return Response(200, body=flood())

    async with serve(answering(handler)) as server, connect(server.port, receive_buffer=4096) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.send(GET)
        connection = await server.connection()
        await until(lambda: connection.flow.write_paused)
        stopped_at = produced
        for _ in range(20):
            await asyncio.sleep(0)
        assert produced == stopped_at
        assert stopped_at < 32 * 1024 * 1024, "what the kernel holds, and little more"
        client.reset()
        await happens(ended)
        await server.until_idle()


@on_both_loops
async def test_a_client_that_takes_nothing_for_too_long_is_reset() -> None:
    ended = asyncio.Event()

    async def flood() -> AsyncIterator[bytes]:
        try:
            while True:
                yield CHUNK
        finally:
            ended.set()

    async def handler(request: Request, context: RequestContext) -> Response:
        return Response(200, body=flood())

    limits = EdgeLimits(send_timeout=0.1)
    async with serve(answering(handler), limits) as server, connect(server.port, receive_buffer=4096) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.send(GET)
        await happens(ended)
        await server.until_idle()
        assert server.connections == 0


@on_both_loops
async def test_a_whole_answer_that_nobody_takes_does_not_keep_the_connection() -> None:
    async def handler(request: Request, context: RequestContext) -> Response:
        return Response(200, body=CHUNK * 200)

    limits = EdgeLimits(send_timeout=0.1)
    async with serve(answering(handler), limits) as server, connect(server.port, receive_buffer=4096) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        await until(lambda: server.uvicorn.server_state.total_requests)
        await until(lambda: not server.connections)


# The answer fails.


@pytest.mark.parametrize("length", [None, 100])
@on_both_loops
async def test_an_answer_that_fails_in_its_middle_is_a_cut(length: int | None) -> None:
    service = Service(pieces=3, length=length)
    service.fail = True
    service.release.set()
    async with serve(answering(service)) as server, connect(server.port) as client:
        client.send(GET)
        response = await client.response()
        assert response.header("transfer-encoding") == (None if length else "chunked")
        assert response.body == b"piece" * 3
        assert response.cut
        assert service.closed.is_set()


@pytest.mark.parametrize("length", [None, 100])
@on_both_loops
async def test_an_answer_that_fails_in_its_middle_is_a_cut_for_http_1_0(length: int | None) -> None:
    service = Service(pieces=3, length=length)
    service.fail = True
    async with serve(answering(service)) as server, connect(server.port) as client:
        client.send(GET_1_0)
        head = await client.head()
        assert head.header("transfer-encoding") is None
        service.release.set()
        with pytest.raises(ConnectionResetError):
            await client.rest()


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize("raw", [GET, GET_1_0])
@on_both_loops
async def test_an_answer_of_another_length_than_announced_ends_the_connection(pieces: int, raw: bytes) -> None:
    service = Service(pieces=pieces, length=10)
    async with serve(answering(service)) as server, connect(server.port) as client:
        client.send(raw + GET)
        assert (await client.head()).header("content-length") == "10"
        service.release.set()
        try:
            assert await client.rest() == b"piece" * min(pieces, 2)
        except ConnectionResetError:
            assert raw == GET_1_0


@on_both_loops
async def test_a_malformed_chunk_in_the_middle_of_an_answer_is_a_cut() -> None:
    ended = asyncio.Event()

    async def echo(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for chunk in body:
                yield chunk
        finally:
            ended.set()

    async def handler(request: Request, context: RequestContext) -> Response:
        return Response(200, body=echo(request.stream()))

    async with serve(answering(handler)) as server, connect(server.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await client.head()
        assert await client.chunk() == b"hello"
        client.send(b"x\r\n")
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await client.chunk()
        await happens(ended)


@on_both_loops
async def test_a_malformed_chunk_before_the_answer_is_400_and_ends_the_handler() -> None:
    reading = asyncio.Event()
    ended = asyncio.Event()

    async def handler(request: Request, context: RequestContext) -> Response:
        try:
            async for _ in request.stream():
                reading.set()
        finally:
            ended.set()
        return Response.text("all there")

    async with serve(answering(handler)) as server, connect(server.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await happens(reading)
        client.send(b"x\r\n" + CHUNK)
        response = await client.response()
        assert (response.status, response.header("connection")) == (400, "close")
        assert await client.ended()
        await happens(ended)


@on_both_loops
async def test_a_malformed_chunk_behind_more_than_may_wait_does_not_keep_the_connection() -> None:
    service = Service()
    async with serve(answering(service)) as server:
        async with connect(server.port) as client:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            await happens(service.called)
            client.send(b"10001\r\n" + CHUNK + b"a\r\nx\r\n")
            assert (await client.response()).status == 400
        await until(lambda: not server.connections, seconds=1)


@on_both_loops
async def test_a_malformed_chunk_behind_the_head_never_reaches_the_handler() -> None:
    service = Service()
    async with serve(answering(service)) as server, connect(server.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n")
        assert (await client.response()).status == 400
        assert await client.ended()
        await server.until_idle()
    assert not service.called.is_set()


@pytest.mark.parametrize("status", [100, 199, 600, 999])
async def test_a_status_that_is_none_is_a_defect_and_500(status: int, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: Request, context: RequestContext) -> Response:
        return Response(status, body=b"odd")

    async with serve(answering(handler)) as server, connect(server.port) as client:
        client.send(GET)
        response = await client.response()
        assert (response.status, "detail" in response.json()) == (500, False)
    assert str(status) in caplog.text
    caplog.clear()


@pytest.mark.parametrize("value", [b"a\r\nSet-Cookie: stolen=1", b"a\nb", b"a\rb"])
@pytest.mark.parametrize("streamed", [False, True])
@on_both_loops
async def test_a_line_break_in_a_response_header_is_never_sent(value: bytes, streamed: bool) -> None:
    async def stream() -> AsyncIterator[bytes]:
        yield b"piece"

    async def handler(request: Request, context: RequestContext) -> Response:
        body = stream() if streamed else b"whole"
        return Response(200, Headers.from_pairs([(b"x-a", value)]), body)

    async with serve(answering(handler)) as server, connect(server.port) as client:
        client.send(GET)
        assert await client.ended()


@on_both_loops
async def test_whole_answers_wait_for_a_client_that_reads_slowly() -> None:
    large = CHUNK * 64

    async def handler(request: Request, context: RequestContext) -> Response:
        return Response(200, body=large)

    async with serve(answering(handler)) as server, connect(server.port, receive_buffer=65536) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.send(GET * 5)
        connection = await server.connection()
        await until(lambda: connection.flow.write_paused and server.uvicorn.server_state.total_requests)
        assert server.uvicorn.server_state.total_requests < 5, "the next answer waits for room"
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(5):
            assert (await client.response()).body == large


@on_both_loops
async def test_small_pieces_are_sent_at_once() -> None:
    async with serve(answering(Service())) as server, connect(server.port) as client:
        client.send(b"GET")
        connection = await server.connection()
        peer = connection.transport.get_extra_info("socket")
        assert peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


# The answer comes early.


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 6553600", b"Transfer-Encoding: chunked"], ids=["counted", "chunked"]
)
@pytest.mark.parametrize("streamed", [False, True])
@on_both_loops
async def test_an_early_answer_arrives_whole_though_the_client_goes_on_sending(framing: bytes, streamed: bool) -> None:
    async def stream() -> AsyncIterator[bytes]:
        for _ in range(16):
            yield CHUNK

    async def handler(request: Request, context: RequestContext) -> Response:
        return Response(403, body=stream() if streamed else CHUNK * 16)

    async with serve(answering(handler)) as server, connect(server.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n")
        prefix, suffix = (b"10000\r\n", b"\r\n") if b"chunked" in framing else (b"", b"")
        for _ in range(100):
            await client.send_all(prefix + CHUNK + suffix)
        response = await client.response()
        assert (response.status, len(response.body), response.cut) == (403, 16 * len(CHUNK), False)
        assert response.header("connection") == "close"
        assert await client.ended()


# HTTP/1.0, and answers without a body.


@on_both_loops
async def test_a_client_of_http_1_0_gets_a_stream_that_ends_with_the_connection() -> None:
    service = Service(pieces=3)
    service.release.set()
    async with serve(answering(service)) as server, connect(server.port) as client:
        client.send(GET_1_0)
        response = await client.response()
        assert response.header("transfer-encoding") is None
        assert response.header("connection") == "close"
        assert (response.body, response.cut) == (b"piece" * 3, False)
        assert await client.ended()


@pytest.mark.parametrize("pieces", [0, 3])
@on_both_loops
async def test_a_client_of_http_1_0_gets_a_known_length(pieces: int) -> None:
    service = Service(pieces=pieces, length=15 if pieces else None)
    service.release.set()
    async with serve(answering(service)) as server, connect(server.port) as client:
        client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        response = await client.response()
        assert response.header("content-length") == str(len(response.body))
        assert response.header("connection") == "close"
        assert not response.cut
        assert await client.ended()


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
@pytest.mark.parametrize("streamed", [False, True])
@on_both_loops
async def test_an_answer_without_a_body_keeps_the_connection_in_step(method: str, status: int, streamed: bool) -> None:
    async def nothing() -> AsyncIterator[bytes]:
        return
        yield b""

    async def handler(request: Request, context: RequestContext) -> Response:
        if request.path == "/plain":
            return Response.text("plain")
        headers = {"content-length": "5"} if method == "HEAD" or status == 304 else {}
        return Response(status, headers, nothing() if streamed else b"")

    async with serve(answering(handler)) as server, connect(server.port) as client:
        for _ in range(3):
            client.send(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            client.send(b"GET /plain HTTP/1.1\r\nHost: a\r\n\r\n")
            response = await client.response(method)
            assert response.status == status
            assert response.header("transfer-encoding") is None
            assert (await client.response()).body == b"plain"


@pytest.mark.parametrize("status", [204, 304])
@on_both_loops
async def test_a_body_that_may_not_be_is_not_sent(status: int) -> None:
    async def handler(request: Request, context: RequestContext) -> Response:
        return Response.text("plain") if request.path == "/plain" else Response(status, body=b"smuggled")

    async with serve(answering(handler)) as server, connect(server.port) as client:
        client.send(GET)
        assert (await client.response()).status == status
        client.send(b"GET /plain HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.response()).body == b"plain"


# The server stops.


@on_both_loops
async def test_shutting_down_finishes_what_runs_and_closes_what_is_idle() -> None:
    service = Service(pieces=1)
    async with serve(answering(service)) as server, connect(server.port) as idle, connect(server.port) as client:
        client.send(GET)
        await client.head()
        assert await client.chunk() == b"piece"
        stopping = asyncio.create_task(server.shut_down())
        assert await idle.ended()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.get_running_loop().create_connection(asyncio.Protocol, server.host, server.port)
        service.release.set()
        assert await client.chunk() == b""
        assert await client.ended()
        async with asyncio.timeout(2):
            await stopping


@on_both_loops
async def test_shutting_down_tells_a_client_without_a_head_yet_that_this_is_the_last_answer() -> None:
    service = Service()
    async with serve(answering(service)) as server, connect(server.port) as client:
        client.send(GET)
        await happens(service.called)
        stopping = asyncio.create_task(server.shut_down())
        await asyncio.sleep(0)
        service.release.set()
        response = await client.response()
        assert (response.body, response.header("connection")) == (b"at last", "close")
        assert await client.ended()
        async with asyncio.timeout(2):
            await stopping
