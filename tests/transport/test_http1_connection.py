"""One connection against services that break the protocol, the connection, or the caller's patience."""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket
from collections.abc import AsyncIterator

import pytest

from api_gateway.core.errors import GatewayError
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import UpstreamProtocolError, UpstreamReset, UpstreamTimeout
from api_gateway.transport.http1 import connection as connection_module
from api_gateway.transport.http1.connection import Http1Connection
from api_gateway.transport.http1.transport import Http1Transport
from tests.support.http1_client import SHORT, Http1Client, http1_client
from tests.support.misbehaving_origin import STOLEN

NOT_HTTP = [
    "two-lengths", "two-equal-lengths", "length-list", "length-plus", "length-negative", "length-overflow",
    "length-empty", "both-framings", "both-framings-reversed", "coding-gzip", "coding-gzip-chunked",
    "coding-chunked-twice", "coding-on-http-1.0", "chunk-size-word", "chunk-size-negative", "chunk-size-0x",
    "chunk-size-overflow", "chunk-size-empty", "chunk-without-end", "chunk-bare-lf", "interim-storm",
    "interim-with-length", "interim-with-coding", "switching-protocols", "switching-without-a-word",
    "status-too-long", "status-too-short", "status-negative", "status-000", "status-099", "status-600", "status-999",
    "garbage", "tls-hello", "http-0.9", "version-0.9", "version-2", "version-3", "a-request", "nul-in-header",
    "control-in-header", "cr-in-header", "bare-lf", "obs-fold", "folded-length", "space-before-colon",
    "space-before-name", "no-colon", "bad-name", "huge-header", "many-headers", "tiny-headers", "endless-headers",
    "endless-trailers", "endless-chunk-extension",
]  # fmt: skip

CUT = [
    "reset-before-head", "close-before-head", "reset-in-head", "close-in-head", "half-closes-and-never-reads",
    "short-body", "close-in-chunk", "close-before-last-chunk",
]  # fmt: skip

SLOW = ["never-answers", "never-reads", "drip-head", "drip-interim", "stall-in-body"]

ANSWERED_IN_DOUBT = [
    "surplus", "surplus-garbage", "surplus-later", "surplus-after-chunked", "surplus-after-204", "surplus-after-304",
    "body-on-204", "length-on-204", "chunked-on-204", "body-on-304",
]  # fmt: skip

ANSWERED_AND_CLOSED = ["connection-close", "http-1.0", "close-delimited"]


@pytest.mark.parametrize("name", NOT_HTTP)
async def test_an_invalid_answer_is_a_protocol_error_and_closes_the_connection(client: Http1Client, name: str) -> None:
    with pytest.raises(UpstreamProtocolError):
        await client.get(f"/{name}")
    assert (client.pool.active, client.pool.idle) == (0, 0)
    await client.origin.until(lambda: client.origin.open == 0)
    await client.next_answer_is_its_own()
    assert client.origin.connections == 2


@pytest.mark.parametrize("name", CUT)
async def test_a_cut_answer_is_a_reset_and_never_a_short_body(client: Http1Client, name: str) -> None:
    with pytest.raises(UpstreamReset):
        await client.get(f"/{name}")
    assert (client.pool.active, client.pool.idle) == (0, 0)
    await client.next_answer_is_its_own()


@pytest.mark.parametrize("name", ["reset-in-body", "reset-in-close-delimited"])
async def test_a_reset_in_the_body_fails_the_reader_after_what_has_come(client: Http1Client, name: str) -> None:
    response = await client.send("GET", f"/{name}")
    chunks = response.stream()
    assert await anext(chunks) == b"half."
    client.origin.go.set()
    with pytest.raises(UpstreamReset):
        await anext(chunks)
    assert not response.complete


@pytest.mark.parametrize("name", SLOW)
async def test_a_slow_answer_times_out_by_total_time(client: Http1Client, name: str) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(UpstreamTimeout):
        await client.get(f"/{name}")
    assert 0.2 < loop.time() - started < 2
    assert (client.pool.active, client.pool.idle) == (0, 0)


@pytest.mark.parametrize("name", ANSWERED_IN_DOUBT)
async def test_a_connection_in_doubt_is_never_used_again(client: Http1Client, name: str) -> None:
    assert await client.get(f"/{name}") in (b"ok", b"")
    assert client.pool.idle == 0
    for _ in range(3):
        await client.next_answer_is_its_own()
    assert client.origin.connections == 2
    assert {request.connection for request in client.origin.requests[1:]} == {2}


@pytest.mark.parametrize("name", ["head-with-body", "head-with-chunk", "head-with-half-a-chunk-size", "surplus"])
async def test_an_answer_to_head_with_a_body_is_never_followed_by_another(client: Http1Client, name: str) -> None:
    response = await client.send("HEAD", f"/{name}")
    assert (response.status, await response.read()) == (200, b"")
    assert client.pool.idle == 0
    await client.next_answer_is_its_own()
    assert client.origin.connections == 2


@pytest.mark.parametrize("name", ANSWERED_AND_CLOSED)
async def test_a_connection_that_the_service_ends_is_not_kept(client: Http1Client, name: str) -> None:
    assert await client.get(f"/{name}") in (b"ok", b"all there is")
    assert client.pool.idle == 0
    await client.next_answer_is_its_own()
    assert client.origin.connections == 2


async def test_good_exchanges_share_one_connection_and_stay_in_step(client: Http1Client) -> None:
    for name in ("chunked", "interim", "no-content", "not-modified", "http-1.0-keep-alive", "cookie", "hop-by-hop"):
        head = await client.send("HEAD", "/page")
        assert (head.header("content-length"), await head.read()) == ("10", b"")
        expected = {"chunked": b"okay!", "no-content": b"", "not-modified": b""}.get(name, b"ok")
        assert await client.get(f"/{name}") == expected
        await client.next_answer_is_its_own()
    assert (client.origin.connections, client.pool.idle) == (1, 1)


async def test_trailers_and_hop_by_hop_headers_do_not_pass(client: Http1Client) -> None:
    chunked = await client.send("GET", "/chunked")
    assert await chunked.read() == b"okay!"
    assert [name for name, _ in chunked.headers] == ["via"]
    plain = await client.send("GET", "/hop-by-hop")
    assert dict(plain.headers) == {"content-length": "2", "via": "1.1 api-gateway"}


async def test_events_flow_one_by_one(client: Http1Client) -> None:
    response = await client.send("GET", "/events")
    events = []
    async for event in response.stream():
        events.append(event)
        client.origin.go.set()
    assert events == [b"data: 000\n\n", b"data: 001\n\n", b"data: 002\n\n"]
    assert client.pool.idle == 1


async def test_one_byte_chunks_do_not_become_one_object_each(client: Http1Client) -> None:
    response = await client.send("GET", "/one-byte-chunks")
    chunks = [chunk async for chunk in response.stream()]
    assert sum(map(len, chunks)) == 100_000
    assert len(chunks) < 1000


# Back-pressure.


async def test_a_reader_that_does_not_read_stops_the_service_without_blaming_it(client: Http1Client) -> None:
    response = await client.send("GET", "/flood")
    await client.origin.until(lambda: client.origin.stalled >= 3)  # 0.45 s: longer than the idle timeout
    assert client.origin.written < 8 * 2**20
    size = 0
    async for chunk in response.stream():
        size += len(chunk)
    assert size == 64 * 2**20
    assert client.pool.idle == 1


async def test_the_end_of_an_upload_does_not_hurry_a_reader_that_pauses(client: Http1Client) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"beginning"
        await client.origin.until(lambda: client.origin.stalled >= 1)
        yield b"end"

    response = await client.send("POST", "/flood", body=body())
    await client.origin.until(lambda: client.origin.stalled >= 4)
    assert sum([len(chunk) async for chunk in response.stream()]) == 64 * 2**20


async def test_a_service_that_does_not_read_stops_the_upload_until_the_idle_timeout(client: Http1Client) -> None:
    produced = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal produced
        while True:
            produced += 65536
            yield bytes(65536)

    with pytest.raises(UpstreamTimeout):
        await client.send("POST", "/never-reads", body=endless())
    assert produced < 16 * 2**20
    assert client.pool.active == 0


async def test_a_full_duplex_echo_of_20_mb_is_exact(client: Http1Client) -> None:
    source = random.Random(20)
    sent, received = hashlib.sha256(), hashlib.sha256()

    async def upload() -> AsyncIterator[bytes]:
        left = 20_000_000
        while left:
            piece = source.randbytes(min(left, source.randrange(1, 200_000)))
            left -= len(piece)
            sent.update(piece)
            yield piece

    response = await client.send("POST", "/echo", body=upload())
    async for chunk in response.stream():
        received.update(chunk)
    assert received.digest() == sent.digest()
    assert client.pool.idle == 1


# Answers before the upload's end.


async def test_an_early_answer_ends_the_upload_and_the_connection(client: Http1Client) -> None:
    given_up = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()

    response = await client.send("POST", "/early-answer", body=body())
    assert (response.status, await response.read()) == (413, b"no.")
    async with asyncio.timeout(1):
        await given_up.wait()
    assert (client.pool.active, client.pool.idle) == (0, 0)


async def test_an_early_answer_with_end_of_stream_reaches_the_client(client: Http1Client) -> None:
    async def body() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1000)
            await asyncio.sleep(0)

    response = await client.send("POST", "/early-answer-and-end", body=body())
    assert (response.status, await response.read()) == (413, b"no.")


async def test_a_connection_with_unsent_bytes_is_not_used_again(client: Http1Client) -> None:
    response = await client.send("POST", "/early-answer", body=bytes(8 * 2**20))
    assert (response.status, await response.read()) == (413, b"no.")
    assert client.pool.idle == 0


async def test_an_early_answer_that_stalls_times_out(client: Http1Client) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.Event().wait()

    response = await client.send("POST", "/early-answer-half", body=body())
    with pytest.raises(UpstreamTimeout):
        await response.read()


async def test_progress_of_the_upload_counts_while_the_answer_waits_for_it(client: Http1Client) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"piece"
            await asyncio.sleep(0.1)  # a slow client: half a second in all, more than the idle timeout

    assert await client.read("POST", "/head-then-upload-then-body", body=body()) == b"ok"


async def test_a_refusal_of_the_upload_in_mid_answer_cuts_the_answer(client: Http1Client) -> None:
    started = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"piece"
        await started.wait()
        raise GatewayError("too much")

    response = await client.send("POST", "/echo", body=body())
    chunks = response.stream()
    assert await anext(chunks) == b"piece"
    started.set()
    with pytest.raises(GatewayError, match="too much"):
        await anext(chunks)


async def test_an_upload_whose_source_is_cancelled_ends_the_exchange(client: Http1Client) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"half"
        raise asyncio.CancelledError

    async with asyncio.timeout(5):
        with pytest.raises(UpstreamReset):
            await client.send("POST", "/ok", body=body())
    assert client.pool.active == 0


async def test_an_upload_that_never_waits_ends_when_the_service_closes(client: Http1Client) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1000)

    with pytest.raises(UpstreamReset):
        await client.send("POST", "/close-before-head", body=endless())


# Timers.


async def test_an_idle_connection_is_closed_in_the_end(client: Http1Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "KEEP_ALIVE", 0.05)
    await client.get("/ok")
    assert client.pool.idle == 1
    await client.origin.until(lambda: client.origin.open == 0)
    assert client.pool.idle == 0


async def test_the_idle_time_of_a_kept_connection_does_not_limit_the_next_upload(
    client: Http1Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "KEEP_ALIVE", 0.1)

    async def body() -> AsyncIterator[bytes]:
        yield b"slow "
        await asyncio.sleep(0.3)  # a client slower than that
        yield b"client"

    await client.get("/ok")
    assert await client.read("POST", "/ok", body=body()) == b"POST /ok"
    assert client.origin.requests[1].body == b"slow client"
    assert client.origin.connections == 1


# Cancellation.


async def cancelled(task: asyncio.Task[Response]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancelling_while_waiting_for_the_head_closes_the_connection(client: Http1Client) -> None:
    task = asyncio.create_task(client.send("GET", "/never-answers"))
    await client.origin.until(lambda: len(client.origin.requests) == 1)
    await cancelled(task)
    assert (client.pool.active, client.pool.idle) == (0, 0)
    await client.origin.until(lambda: client.origin.open == 0)


async def test_cancelling_the_reader_of_a_body_closes_the_connection(client: Http1Client) -> None:
    response = await client.send("GET", "/stall-in-body")

    async def read() -> Response:
        await response.read()
        return response

    task = asyncio.create_task(read())
    await asyncio.sleep(0)
    await cancelled(task)
    assert (client.pool.active, client.pool.idle) == (0, 0)
    await client.origin.until(lambda: client.origin.open == 0)


async def test_discarding_a_response_closes_the_connection(client: Http1Client) -> None:
    response = await client.send("GET", "/stall-in-body")
    await response.close()
    assert (client.pool.active, client.pool.idle) == (0, 0)
    await client.origin.until(lambda: client.origin.open == 0)


async def test_discarding_a_response_that_has_arrived_whole_keeps_the_connection(client: Http1Client) -> None:
    response = await client.send("GET", "/events")
    await response.close()
    response = await client.send("GET", "/ok")
    await response.close()
    assert client.pool.idle == 1


@pytest.mark.parametrize("name", ["never-reads", "never-answers"])
async def test_cancelling_an_upload_ends_its_source(client: Http1Client, name: str) -> None:
    produced, ended = asyncio.Event(), asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield bytes(65536)
                produced.set()
                await asyncio.sleep(0)
        finally:
            ended.set()

    task = asyncio.create_task(client.send("POST", f"/{name}", body=endless()))
    await produced.wait()
    await cancelled(task)
    assert client.pool.active == 0
    async with asyncio.timeout(1):
        await ended.wait()


@pytest.mark.parametrize("name", ["head-on-command", "body-on-command"])
async def test_a_cancel_that_races_the_answer_never_mixes_up_two_exchanges(client: Http1Client, name: str) -> None:
    outcomes = set()
    for delay in range(60):
        task = asyncio.create_task(client.send("GET", f"/{name}"))
        seen = len(client.origin.requests) + 1
        await client.origin.until(lambda seen=seen: len(client.origin.requests) == seen)  # type: ignore[misc]
        client.origin.go.set()
        for _ in range(delay % 12):
            await asyncio.sleep(0)
        task.cancel()
        try:
            await (await task).close()
            outcomes.add("answered")
        except asyncio.CancelledError:
            outcomes.add("cancelled")
        assert client.pool.active == 0
        client.origin.go.clear()
        await client.next_answer_is_its_own()
    assert "cancelled" in outcomes


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("answer", "cancel_first", "kept"),
    [(WHOLE, True, 0), (WHOLE, False, 1), (WHOLE[:-1], True, 0), (WHOLE[:-1], False, 0), (b"garbage", False, 0)],
)
async def test_a_cancel_in_the_very_instant_of_the_answer(answer: bytes, cancel_first: bool, kept: int) -> None:
    here, there = socket.socketpair()
    transport = Http1Transport(SHORT)
    pool = transport.pool(url := "http://service.test")
    with there:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Http1Connection(pool, SHORT), sock=here
        )
        pool.adopt(connection)
        assert pool.give_back(connection)
        task = asyncio.create_task(transport.send(url, Request("GET", "/"), RequestContext()))
        await asyncio.sleep(0)
        if cancel_first:
            task.cancel()
            connection.data_received(answer)
        else:
            connection.data_received(answer)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (pool.active, pool.idle) == (0, kept)
        pool.close()
        await asyncio.sleep(0)


async def test_bytes_that_come_while_idle_close_the_connection(client: Http1Client) -> None:
    await client.get("/surplus-on-command")
    assert client.pool.idle == 1
    client.origin.go.set()
    await client.origin.until(lambda: client.origin.open == 0)
    await client.next_answer_is_its_own()
    assert client.origin.connections == 2


async def test_bytes_that_wait_unread_in_the_socket_are_not_the_next_answer() -> None:
    async with http1_client() as client:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.setblocking(False)
            client.origin.url = f"http://127.0.0.1:{server.getsockname()[1]}"

            async def answer() -> socket.socket:
                peer, _ = await loop.sock_accept(server)
                assert (await loop.sock_recv(peer, 65536)).startswith(b"GET ")
                await loop.sock_sendall(peer, WHOLE)
                return peer

            first, body = await asyncio.gather(answer(), client.get("/first"))
            first.sendall(STOLEN)  # the event loop has no chance to see it before the next request
            second, stolen = await asyncio.gather(answer(), client.get("/second"))
            assert (body, stolen) == (b"ok", b"ok")
            await client.transport.close()
            first.close()
            second.close()


async def test_a_storm_of_good_and_bad_exchanges_never_mixes_up_answers(client: Http1Client) -> None:
    choose = random.Random(7)
    bad = ["surplus", "surplus-later", "body-on-204", "close-when-idle", "close-on-next", "reset-on-next", "garbage",
           "short-body", "connection-close", "many-headers", "half-a-head-on-next", "length-on-204"]  # fmt: skip
    wrong = []

    async def worker(number: int) -> None:
        for turn in range(30):
            target = f"/own/{number}-{turn}" if choose.random() < 0.6 else f"/{choose.choice(bad)}"
            task = asyncio.create_task(client.get(target))
            if choose.random() < 0.2:
                for _ in range(choose.randrange(10)):
                    await asyncio.sleep(0)
                task.cancel()
            try:
                body = await task
            except (asyncio.CancelledError, UpstreamReset, UpstreamProtocolError):
                continue
            if target.startswith("/own/") and body != f"GET {target}".encode():
                wrong.append((target, body))

    await asyncio.gather(*map(worker, range(10)))
    assert wrong == []
    assert client.pool.active == 0
