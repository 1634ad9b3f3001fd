"""Connection limits: who is counted, who makes room, who is turned away."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway import Request, RequestContext, Response
from api_gateway.core.lazy_timer import NEVER
from api_gateway.core.security_events import SecurityEvents
from api_gateway.server.connection_limits import (
    CLOSED_AT_ONCE,
    LOOK_AGAIN,
    TOO_MANY,
    TOO_MANY_FROM_ADDRESS,
    ConnectionLimits,
)
from api_gateway.server.edge_limits import EdgeLimits
from api_gateway.server.http_server import HttpServer
from tests.support.gateway_server import answering, on_both_loops, until
from tests.support.raw_client import connect

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class FakeConnection:
    """A connection of which only the idleness matters."""

    def __init__(self, limits: ConnectionLimits, idle_deadline: float = NEVER) -> None:
        self.limits = limits
        self.idle_deadline = idle_deadline
        self.silent_deadline = NEVER
        self.gave_way = False

    def give_way(self) -> None:
        self.gave_way = True
        self.limits.release(self)  # as the loss of a connection does, a second time


def limits(total: int = 100, per_address: int = 10, trusted: tuple[str, ...] = ()) -> ConnectionLimits:
    return ConnectionLimits(
        EdgeLimits(max_connections=total, max_connections_per_address=per_address, trusted_proxies=trusted)
    )


def admitted(table: ConnectionLimits, address: str, idle_deadline: float = NEVER) -> FakeConnection:
    connection = FakeConnection(table, idle_deadline)
    assert table.admit(connection, address, 0.0) is None
    return connection


def test_an_address_over_its_limit_is_refused_and_another_is_not() -> None:
    table = limits(per_address=2)
    first = admitted(table, "192.0.2.1")
    admitted(table, "192.0.2.1")
    assert table.admit(FakeConnection(table), "192.0.2.1", 0.0) is TOO_MANY_FROM_ADDRESS
    admitted(table, "192.0.2.2")
    table.release(first)
    admitted(table, "192.0.2.1")
    assert (len(table), table.addresses, table.refused) == (3, 2, 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [("2001:db8::1", "2001:db8::ffff:2"), ("::ffff:192.0.2.1", "192.0.2.1"), ("fe80::1%eth0", "fe80::2%eth1")],
)
def test_spellings_and_neighbours_in_a_64_share_one_limit(one: str, other: str) -> None:
    table = limits(per_address=1)
    admitted(table, one)
    assert table.admit(FakeConnection(table), other, 0.0) is TOO_MANY_FROM_ADDRESS


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", ""])
def test_trusted_proxies_and_peers_without_an_address_count_in_all_only(address: str) -> None:
    table = limits(total=5, per_address=1, trusted=("10.0.0.0/8",))
    for _ in range(5):
        admitted(table, address)
    assert table.addresses == 0
    assert table.admit(FakeConnection(table), address, 0.0) is TOO_MANY


def test_the_longest_idle_connections_make_room_when_there_are_too_many_in_all() -> None:
    table = limits(total=16, per_address=100)
    busy = [admitted(table, "192.0.2.1") for _ in range(10)]
    idle = [admitted(table, "192.0.2.2", deadline) for deadline in (9.0, 3.0, 7.0, 5.0, 4.0, 8.0)]
    admitted(table, "192.0.2.3")
    assert [connection.idle_deadline for connection in idle if connection.gave_way] == [3.0, 4.0]
    assert not any(connection.gave_way for connection in busy)
    assert (len(table), table.gave_way, table.refused) == (15, 2, 0)


def test_an_address_makes_room_with_its_own_idle_connections_only() -> None:
    table = limits(per_address=2)
    other = admitted(table, "192.0.2.2", 1.0)
    own = [admitted(table, "192.0.2.1", 2.0), admitted(table, "192.0.2.1")]
    admitted(table, "192.0.2.1")
    assert (own[0].gave_way, own[1].gave_way, other.gave_way) == (True, False, False)
    assert table.admit(FakeConnection(table), "192.0.2.1", 0.0) is TOO_MANY_FROM_ADDRESS


def test_silent_connections_make_room_for_another_address_when_none_is_idle() -> None:
    table = limits(total=8, per_address=8)
    silent = [admitted(table, "192.0.2.1") for _ in range(8)]
    for connection, deadline in zip(silent, (8.0, 3.0, 5.0, 4.0, 7.0, 6.0, 9.0, 10.0), strict=True):
        connection.silent_deadline = deadline
    assert table.admit(FakeConnection(table), "192.0.2.1", 0.0) is TOO_MANY_FROM_ADDRESS
    silent[0].idle_deadline = 99.0
    for number in (2, 3):
        admitted(table, f"192.0.2.{number}")
    assert [connection.gave_way for connection in silent] == [True, True, *[False] * 6]


def test_few_make_room_however_many_are_idle() -> None:
    table = limits(total=1000, per_address=1000)
    for deadline in range(1000):
        admitted(table, "192.0.2.1", float(deadline))
    admitted(table, "192.0.2.2")
    assert table.gave_way == CLOSED_AT_ONCE


def test_nobody_looks_at_every_connection_again_and_again_in_vain() -> None:
    looks = 0

    class Counted(FakeConnection):
        @property
        def idle_deadline(self) -> float:
            nonlocal looks
            looks += 1
            return NEVER

        @idle_deadline.setter
        def idle_deadline(self, value: float) -> None:
            pass

    table = limits(total=50, per_address=1000)
    for _ in range(50):
        assert table.admit(Counted(table), "192.0.2.1", 0.0) is None
    for _ in range(1000):
        assert table.admit(FakeConnection(table), "192.0.2.2", 0.0) is TOO_MANY
    assert looks == 50
    assert table.admit(FakeConnection(table), "192.0.2.2", LOOK_AGAIN) is TOO_MANY
    assert looks == 100


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.booleans()), max_size=80))
def test_the_count_is_that_of_the_open_connections(steps: list[tuple[bool, int, bool]]) -> None:
    table = limits(total=8, per_address=3, trusted=("192.0.2.3",))
    live: list[tuple[FakeConnection, str]] = []
    for opens, number, idle in steps:
        if opens:
            connection = FakeConnection(table, 1.0 if idle else NEVER)
            if table.admit(connection, f"192.0.2.{number}", LOOK_AGAIN * 2 * len(steps)) is None:
                live.append((connection, f"192.0.2.{number}"))
        elif live:
            table.release(live.pop(number % len(live))[0])
        live = [pair for pair in live if not pair[0].gave_way]
        addresses = [address for _, address in live]
        assert len(table) == len(live) <= 8
        assert table.addresses == len(set(addresses) - {"192.0.2.3"})
        assert all(addresses.count(address) <= 3 for address in set(addresses) - {"192.0.2.3"})
    for connection, _ in live:
        table.release(connection)
        table.release(connection)
    assert (len(table), table.addresses) == (0, 0)


# On sockets.


async def hello(request: Request, context: RequestContext) -> Response:
    return Response(200, body=b"hello")


class Running:
    """A server on a socket, as production has it."""

    def __init__(self, events: SecurityEvents | None = None, **options: object) -> None:
        self.server = HttpServer(answering(hello).asgi, EdgeLimits(**options), events)  # type: ignore[arg-type]

    async def __aenter__(self) -> Running:
        listener = socket.create_server(("", 0), backlog=1024)
        self.port: int = listener.getsockname()[1]
        await self.server.start(listener)
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.server.drain(0.0)

    def has_heard(self, clients: int) -> bool:
        """Whether so many are connected, and each has sent something."""
        table = self.server.connections
        return len(table) == clients and all(connection.silent_deadline == NEVER for connection in table._open)


@on_both_loops
async def test_one_connection_too_many_is_answered_503_and_the_place_comes_back() -> None:
    async with Running(max_connections=2) as running, connect(running.port) as one, connect(running.port) as two:
        for busy in (one, two):
            busy.send(GET[:5])
        await until(lambda: running.has_heard(2))
        async with connect(running.port) as third:
            response = await third.response()
            assert (response.status, response.header("connection"), response.header("retry-after")) == (
                *(503, "close"),
                "1",
            )
            assert response.json()["code"] == "overloaded"
            assert await third.ended()
        assert len(running.server.connections) == 2
    assert len(running.server.connections) == 0


@on_both_loops
async def test_an_idle_connection_makes_room_and_a_busy_one_does_not() -> None:
    async with Running(max_connections=2) as running, connect(running.port) as idle, connect(running.port) as busy:
        idle.send(GET)
        assert (await idle.response()).status == 200
        busy.send(GET[:10])
        await until(lambda: running.has_heard(2))
        async with connect(running.port) as third:
            third.send(GET)
            assert (await third.response()).body == b"hello"
            assert await idle.gone()
            busy.send(GET[10:])
            assert (await busy.response()).body == b"hello"


async def test_an_address_that_takes_all_it_can_leaves_another_in(caplog: pytest.LogCaptureFixture) -> None:
    if not _has_another_address():
        pytest.skip("this system has no 127.0.0.2")
    caplog.set_level(logging.INFO, "api_gateway.security")
    events = SecurityEvents()
    async with Running(events, max_connections_per_address=20) as running, AsyncExitStack() as stack:
        greedy = [await stack.enter_async_context(connect(running.port)) for _ in range(60)]
        for client in greedy:
            client.send(b"GET / HT")
        await until(lambda: running.server.connections.refused == 40)
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port, local_addr=("127.0.0.2", 0))
        writer.write(GET)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        assert len(running.server.connections) == 21
        writer.close()
        await writer.wait_closed()
    assert events.counts == {("limit_exceeded", ""): 40}
    line = json.loads(caplog.messages[0])
    assert (line["event"], line["client"], line["status"], line["code"]) == (
        *("limit_exceeded", "127.0.0.1"),
        *(429, "quota-exceeded"),
    )


def _has_another_address() -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.2", 0))
        except OSError:
            return False
    return True


@on_both_loops
async def test_a_silent_connection_makes_room() -> None:
    async with Running(max_connections=2) as running, connect(running.port) as silent, connect(running.port) as busy:
        busy.send(GET[:10])
        await until(lambda: len(running.server.connections) == 2)
        async with connect(running.port) as third:
            third.send(GET)
            assert (await third.response()).body == b"hello"
            assert await silent.gone()
            busy.send(GET[10:])
            assert (await busy.response()).body == b"hello"


@on_both_loops
async def test_an_answer_that_is_still_under_way_is_not_idle() -> None:
    big = b"x" * 20_000_000

    async def handler(request: Request, context: RequestContext) -> Response:
        return Response(200, body=big)

    listener = socket.create_server(("127.0.0.1", 0))
    server = HttpServer(answering(handler).asgi, EdgeLimits(max_connections=1))
    await server.start(listener)
    async with connect(listener.getsockname()[1]) as slow:
        slow.send(GET)
        head = await slow.head()
        async with connect(listener.getsockname()[1]) as other:
            assert (await other.response()).status == 503
        assert head.status == 200
        async with asyncio.timeout(5):
            assert len(await slow.reader.readexactly(len(big))) == len(big)
    await server.drain(0.0)
