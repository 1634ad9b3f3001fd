"""The fault proxy itself: does it do to the bytes what its table says? Asked with a plain client, no gateway."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tests.support.fault_proxy import (
    NOT_HTTP,
    Cut,
    Delay,
    Fault,
    FaultProxy,
    Garbage,
    HalfOpen,
    Hang,
    Lie,
    Refuse,
    SlowReader,
    Trickle,
    fault_proxy,
)
from tests.support.gateway_server import until
from tests.support.leaks import Holdings
from tests.support.raw_client import RawClient, connect
from tests.support.sockets import refused_port

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n"
ANSWER = HEAD + b"0123456789" * 3
GET = b"GET / HTTP/1.1\r\n\r\n"


@dataclass
class Service:
    """Answers each piece that it reads, and keeps it."""

    heard: list[bytes] = field(default_factory=list)
    left: int = 0
    """Connections that have ended."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65536):
                self.heard.append(piece)
                writer.write(ANSWER)
        except ConnectionError:
            pass
        finally:
            self.left += 1
            writer.transport.abort()


@asynccontextmanager
async def proxied(fault: Fault) -> AsyncIterator[tuple[FaultProxy, Service]]:
    service = Service()
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    async with server, fault_proxy(server.sockets[0].getsockname()[1]) as proxy:
        await proxy.switch(fault)
        yield proxy, service
        await until(lambda: not proxy.open)


async def exactly(client: RawClient, length: int) -> bytes:
    async with asyncio.timeout(2):
        return await client.reader.readexactly(length)


async def silent(client: RawClient) -> bool:
    """Whether nothing comes for a while. Silence has no event; a tenth of a second is long on one machine."""
    try:
        await client.rest(0.1)
    except TimeoutError:
        return True
    return False


async def test_without_a_fault_every_byte_passes_both_ways() -> None:
    async with proxied(Fault()) as (proxy, service), connect(proxy.port) as client:
        for number in range(3):
            client.send(b"%d" % number)
            assert await exactly(client, len(ANSWER)) == ANSWER
        assert service.heard == [b"0", b"1", b"2"]
        client.finish_sending()
        assert await client.ended()


async def test_a_closed_port_refuses_resets_what_is_open_and_opens_again() -> None:
    async with proxied(Fault()) as (proxy, _), connect(proxy.port) as client:
        client.send(GET)
        await exactly(client, len(ANSWER))
        await proxy.switch(Refuse())
        with pytest.raises(ConnectionResetError):
            await client.rest()
        with pytest.raises(ConnectionRefusedError):
            async with connect(proxy.port):
                pass
        await proxy.switch(Fault())
        async with connect(proxy.port) as again:
            again.send(GET)
            assert await exactly(again, len(ANSWER)) == ANSWER


async def test_a_hang_reads_everything_says_nothing_and_notices_who_leaves() -> None:
    async with proxied(Hang()) as (proxy, service):
        async with connect(proxy.port) as client:
            await client.send_all(bytes(32 * 1024 * 1024))
            assert await silent(client)
        await until(lambda: not proxy.open)
        assert service.heard == []


@pytest.mark.parametrize("before", [Fault(), HalfOpen()], ids=["a kept connection", "a new connection"])
async def test_a_vanished_peer_reads_nothing_and_does_not_notice_who_leaves(before: Fault) -> None:
    async with proxied(before) as (proxy, service):
        async with connect(proxy.port) as client:
            await until(lambda: proxy.open)
            await proxy.switch(HalfOpen())
            with pytest.raises(TimeoutError):
                await client.send_all(bytes(32 * 1024 * 1024), seconds=0.1)
            assert await silent(client)
        assert proxy.open == 1
        assert service.heard == []
        await proxy.switch(Fault())
        await until(lambda: not proxy.open)


async def test_a_slow_reader_takes_the_head_and_no_more() -> None:
    async with proxied(SlowReader()) as (proxy, service):
        async with connect(proxy.port) as client:
            client.send(GET + b"body")
            await until(lambda: service.heard)
            with pytest.raises(TimeoutError):
                await client.send_all(bytes(32 * 1024 * 1024), seconds=0.1)
        assert service.heard == [GET]
        await proxy.switch(Fault())


@pytest.mark.parametrize(
    ("where", "passed"),
    [("connect", b""), ("request", b""), ("head", HEAD[:12]), ("body", HEAD + b"0123456789")],
)
async def test_a_close_is_a_proper_end_behind_what_passed(where: str, passed: bytes) -> None:
    async with proxied(Cut(where, "close")) as (proxy, _), connect(proxy.port) as client:  # type: ignore[arg-type]
        if where != "connect":  # else it meets a closed socket, and a reset comes back
            client.send(GET)
        assert await client.rest() == passed


@pytest.mark.parametrize("where", ["connect", "request", "head", "body"])
async def test_a_reset_is_one(where: str) -> None:
    async with proxied(Cut(where, "reset")) as (proxy, _), connect(proxy.port) as client:  # type: ignore[arg-type]
        client.send(GET)
        with pytest.raises(ConnectionResetError):
            await client.rest()


async def test_a_delay_is_as_long_as_it_says_for_every_answer() -> None:
    async with proxied(Delay(0.05)) as (proxy, _), connect(proxy.port) as client:
        for _ in range(2):
            started = asyncio.get_running_loop().time()
            client.send(GET)
            assert await exactly(client, len(ANSWER)) == ANSWER
            assert 0.05 <= asyncio.get_running_loop().time() - started < 1


@pytest.mark.parametrize(("begin", "pieces"), [("head", 7), ("body", 3)])
async def test_a_trickle_sends_all_of_it_in_as_many_pieces(begin: str, pieces: int) -> None:
    trickle = Trickle(10, 0.02, begin)  # type: ignore[arg-type]
    async with proxied(trickle) as (proxy, _), connect(proxy.port) as client:
        started = asyncio.get_running_loop().time()
        client.send(GET)
        assert await exactly(client, len(ANSWER)) == ANSWER
        assert asyncio.get_running_loop().time() - started >= pieces * 0.02


@pytest.mark.parametrize("by", [-5, 5])
async def test_a_lie_changes_the_length_and_nothing_else(by: int) -> None:
    async with proxied(Lie(by)) as (proxy, _), connect(proxy.port) as client:
        client.send(GET)
        assert await exactly(client, len(ANSWER)) == ANSWER.replace(b": 30", b": %d" % (30 + by))
        assert await silent(client)


@pytest.mark.parametrize(("where", "passed"), [("head", b""), ("body", HEAD)])
async def test_garbage_comes_in_place_of_the_rest(where: str, passed: bytes) -> None:
    async with proxied(Garbage(where, 0.0)) as (proxy, _), connect(proxy.port) as client:  # type: ignore[arg-type]
        client.send(GET)
        assert await exactly(client, len(passed + NOT_HTTP)) == passed + NOT_HTTP
        assert await silent(client)


async def test_a_service_that_is_not_there_resets() -> None:
    async with fault_proxy(refused_port()) as proxy, connect(proxy.port) as client:
        with pytest.raises(ConnectionResetError):
            await client.rest()


async def test_a_proxy_that_is_left_holds_nothing() -> None:
    before = Holdings.now()
    async with proxied(HalfOpen()) as (proxy, _), connect(proxy.port) as client:
        client.send(GET)
        await until(lambda: proxy.open)
        await proxy.close()
        assert await client.gone()
    await before.again()


async def test_what_is_left_behind_is_found() -> None:
    before = Holdings.now()
    task = asyncio.create_task(asyncio.Event().wait())
    with pytest.raises(pytest.fail.Exception, match="0 sockets, 1 tasks"):
        await before.again(patience=0.05)
    task.cancel()
    await before.again()
    one, other = socket.socketpair()
    one.close()
    with pytest.raises(pytest.fail.Exception, match="1 sockets, 0 tasks"):
        await before.again(patience=0.05)
    other.close()
    await before.again()
