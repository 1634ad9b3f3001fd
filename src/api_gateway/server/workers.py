"""Workers: several processes behind one socket, to use more than one core.

    supervisor  holds the sockets, serves the admin pages, starts and replaces
      |-- worker 1  accepts from the gateway's socket, has its own event loop and upstream connections
      `-- worker 2  ...

Rule: Python runs one thread of Python at a time, so a second core needs a second process. All
accept from one listening socket: connections that wait belong to nobody, and none is lost when a
worker dies. Which worker gets the next connection is the kernel's choice and may be uneven.

What is kept in memory is kept for each worker: counts are added up for the admin pages, but each
worker takes its own turns among the endpoints.

The supervisor carries no traffic. To stop, it closes the socket, has the workers drain, and ends
when they have; one that does not end in time is killed.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from api_gateway.config.schema import GatewayConfig
from api_gateway.core.api_gateway import ApiGateway
from api_gateway.server.admin import admin_app
from api_gateway.server.cache_admin import WorkersPurger
from api_gateway.server.http_server import HttpServer
from api_gateway.server.serving import ADMIN_DRAIN, event_loop_runner
from api_gateway.server.stop import Stop
from api_gateway.server.worker import CUT, DRAIN
from api_gateway.server.worker_process import WorkerEndedEarly, WorkerProcess
from api_gateway.server.workers_status import WorkersStatus

GRACE = 5.0
"""Seconds that a worker may take to end when its time to drain is over."""

LONGEST_PLACE = 64
"""Bytes of the path of the system's directory for temporary files."""


def supervise(
    gateway: ApiGateway,
    config: GatewayConfig,
    count: int,
    listener: socket.socket,
    admin_listener: socket.socket,
    on_ready: Callable[[], None],
    redirect: socket.socket | None = None,
) -> int:
    """Serve with `count` workers until a signal asks to stop; the process's exit code.

    `gateway` is only looked at, for its routes. `on_ready` is called when every worker accepts. `redirect` listens
    for plain HTTP beside TLS.
    """
    with tempfile.TemporaryDirectory(prefix="api-gateway-", dir=_short_place()) as name, event_loop_runner() as runner:
        directory = Path(name)
        try:
            supervisor = _Supervisor(config, count, listener, directory, redirect)
            runner.run(supervisor.serve(gateway, admin_listener, on_ready))
        except WorkerEndedEarly as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0


def _short_place() -> str | None:
    """Where to make a directory in which a Unix-domain socket's path fits into its 104 bytes."""
    return "/tmp" if len(os.fsencode(tempfile.gettempdir())) > LONGEST_PLACE else None


class _Supervisor:
    def __init__(
        self,
        config: GatewayConfig,
        count: int,
        listener: socket.socket,
        directory: Path,
        redirect: socket.socket | None,
    ) -> None:
        self._drain_timeout = config.drain_timeout
        self._listeners = [listener, *([redirect] if redirect is not None else ())]
        self._stop = Stop()
        self._workers = [
            WorkerProcess(number, config, listener, directory, redirect=redirect) for number in range(1, count + 1)
        ]

    async def serve(self, gateway: ApiGateway, admin_listener: socket.socket, on_ready: Callable[[], None]) -> None:
        self._stop.on_signals()
        lives = [asyncio.create_task(worker.keep_alive()) for worker in self._workers]
        purger = WorkersPurger([worker.admin_path for worker in self._workers])
        async with WorkersStatus(gateway, self._workers) as status, purger:
            admin = HttpServer(admin_app(status, purger))
            await admin.start(admin_listener)
            try:
                await self._until_asked_to_stop(lives, on_ready)
            finally:
                status.draining = True
                await self._end(lives)
                await admin.drain(ADMIN_DRAIN, self._stop.at_once)

    async def _until_asked_to_stop(self, lives: Sequence[asyncio.Task[None]], on_ready: Callable[[], None]) -> None:
        asked = asyncio.create_task(self._stop.draining.wait())
        started = asyncio.create_task(self._until_all_were_ready())
        try:
            first: list[asyncio.Future[Any]] = [asked, started, *lives]
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if started.done():
                on_ready()
                await asked
            for life in lives:
                if life.done():
                    life.result()  # raises: a life ends by itself only where it never began
        finally:
            asked.cancel()
            started.cancel()

    async def _until_all_were_ready(self) -> None:
        for worker in self._workers:
            await worker.was_ready.wait()

    async def _end(self, lives: Sequence[asyncio.Task[None]]) -> None:
        """Every worker ended: by draining, by being cut, or killed."""
        for listener in self._listeners:
            listener.close()
        insisted = asyncio.create_task(self._stop.at_once.wait())
        all_over = asyncio.gather(*lives, return_exceptions=True)
        self._order(DRAIN)
        first: list[asyncio.Future[Any]] = [all_over, insisted]
        await asyncio.wait(first, timeout=self._drain_timeout + GRACE, return_when=asyncio.FIRST_COMPLETED)
        insisted.cancel()
        if not all_over.done():
            self._order(CUT)
            await asyncio.wait([all_over], timeout=GRACE)
        for worker in self._workers:
            worker.kill()
        await all_over

    def _order(self, order: bytes) -> None:
        for worker in self._workers:
            worker.stop(order)
