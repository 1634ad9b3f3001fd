"""What must be as before when requests are over: tasks, open sockets, requests and connections in use.

    before = Holdings.now()
    ...
    await before.again()          # fails, naming what is left, if it does not become so again

`settled(gateway)` waits until nothing of a gateway is in use: no request in flight at an endpoint,
no connection taken from a pool.

Rule: what ends does so soon, not at once (a cancelled task has to notice, a socket is closed a turn
of the event loop later), so both wait, with a bound.

What it does not do: see another process, or objects that hold neither a task nor a socket.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from api_gateway import ApiGateway, BackendService
from api_gateway.transport.http1 import Http1Transport
from tests.support.gateway_server import until

PATIENCE = 2.0
"""Seconds in which everything has to be as before."""


def open_sockets() -> frozenset[int]:
    """Descriptors of this process that are sockets. Linux and macOS both list them in /dev/fd."""
    return frozenset(number for number in map(int, os.listdir("/dev/fd")) if _is_socket(number))


def _is_socket(descriptor: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:
        return False  # the listing's own, closed since


@dataclass(frozen=True)
class Holdings:
    """Tasks of this event loop and sockets of this process, at one moment."""

    tasks: frozenset[asyncio.Task[object]]
    sockets: int

    @classmethod
    def now(cls) -> Holdings:
        return cls(frozenset(asyncio.all_tasks()), len(open_sockets()))

    async def again(self, more_sockets: int = 0, more_tasks: int = 0, patience: float = PATIENCE) -> None:
        """Wait until there are as many sockets and tasks as then, or fewer, but for what is known to be kept.

        Those that were there may have been replaced by others of their kind.
        """
        sockets, tasks = self.sockets + more_sockets, len(self.tasks) + more_tasks
        await _until(
            lambda: len(open_sockets()) <= sockets and len(asyncio.all_tasks()) <= tasks,
            lambda: (
                f"{len(open_sockets()) - sockets} sockets, {len(asyncio.all_tasks()) - tasks} tasks of"
                f" {asyncio.all_tasks() - self.tasks}"
            ),
            patience,
        )


def in_use(gateway: ApiGateway) -> dict[str, tuple[int, int]]:
    """For each endpoint that has any: requests in flight, and connections taken from its pool."""
    found: dict[str, tuple[int, int]] = {}
    for service in gateway.services.values():
        if isinstance(service, BackendService):
            for endpoint in service.endpoints:
                counts = endpoint.in_flight, _active(service, endpoint.url)
                if any(counts):
                    found[endpoint.url] = counts
    return found


def _active(service: BackendService, url: str) -> int:
    transport = service._transport
    return transport.pool(url).active if isinstance(transport, Http1Transport) else 0


async def settled(gateway: ApiGateway) -> None:
    """Wait until no endpoint of `gateway` has anything in use."""
    await _until(lambda: not in_use(gateway), lambda: f"in flight, connections: {in_use(gateway)}")


async def _until(condition: Callable[[], bool], left: Callable[[], str], patience: float = PATIENCE) -> None:
    try:
        await until(condition, patience)
    except TimeoutError:
        pytest.fail(f"left behind: {left()}")
