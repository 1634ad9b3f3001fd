"""Kept connections: last in, first out, bounded, and gone when closed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from api_gateway.transport.http1 import pool as pool_module
from api_gateway.transport.http1.connection import Http1Connection
from api_gateway.transport.http1.pool import ConnectionPool
from tests.support.http1_client import SHORT


class Connections:
    """Makes connections for a pool; `peers` are their other ends."""

    def __init__(self) -> None:
        self.pool = ConnectionPool()
        self.peers: list[socket.socket] = []

    async def adopted(self) -> Http1Connection:
        here, there = socket.socketpair()
        self.peers.append(there)
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Http1Connection(self.pool, SHORT), sock=here)
        self.pool.adopt(connection)
        return connection


@pytest.fixture
async def connections() -> AsyncIterator[Connections]:
    connections = Connections()
    yield connections
    connections.pool.close()
    assert (connections.pool.active, connections.pool.idle) == (0, 0)
    for peer in connections.peers:
        peer.close()
    for _ in range(3):
        await asyncio.sleep(0)


async def test_an_empty_pool_gives_nothing(connections: Connections) -> None:
    assert connections.pool.take() is None


async def test_the_connection_used_last_is_used_first(connections: Connections) -> None:
    first, second = await connections.adopted(), await connections.adopted()
    assert connections.pool.active == 2
    assert connections.pool.give_back(first)
    assert connections.pool.give_back(second)
    assert (connections.pool.active, connections.pool.idle) == (0, 2)
    assert connections.pool.take() is second
    assert connections.pool.take() is first
    assert connections.pool.active == 2


async def test_beyond_its_limit_a_pool_keeps_nothing(connections: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "MAX_IDLE", 1)
    first, second = await connections.adopted(), await connections.adopted()
    assert connections.pool.give_back(first)
    assert not connections.pool.give_back(second)
    second.abort()


@pytest.mark.parametrize("ending", ["bytes", "end of stream"])
async def test_a_connection_on_which_something_waits_is_closed_instead_of_taken(
    connections: Connections, ending: str
) -> None:
    quiet, loud = await connections.adopted(), await connections.adopted()
    connections.pool.give_back(quiet)
    connections.pool.give_back(loud)
    if ending == "bytes":
        connections.peers[1].send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    else:
        connections.peers[1].close()
    assert connections.pool.take() is quiet
    assert not loud.usable
    assert connections.pool.idle == 0


async def test_a_closed_pool_closes_what_comes_back_and_what_is_adopted(connections: Connections) -> None:
    idle, active = await connections.adopted(), await connections.adopted()
    connections.pool.give_back(idle)
    connections.pool.close()
    assert (idle.usable, active.usable) == (False, False)
    assert not connections.pool.give_back(active)
    late = await connections.adopted()
    assert not late.usable
    assert connections.pool.active == 0
