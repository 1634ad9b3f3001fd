"""Worker process: the supervisor's side of one worker, and of those who replace it.

Rule: a worker is alive as long as its socket pair is. Its end is noticed at once, the process is
reaped, and another is started after a back-off.
A worker that ends before it was ever ready is not replaced: what stopped the first will stop the
second.

What it does not do: notice a worker that lives but hangs. `/ready` does, by asking each.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from pathlib import Path

from api_gateway.config.schema import GatewayConfig
from api_gateway.core.clock import Clock, SystemClock
from api_gateway.server.restart_backoff import RestartBackoff
from api_gateway.server.worker import READY, work

_processes = multiprocessing.get_context("spawn")  # a fork would copy event loop and locks
_log = logging.getLogger("api_gateway.workers")


class WorkerEndedEarly(Exception):
    """A worker ended before it was ready; `str()` says which and how."""


class WorkerProcess:
    """One of several workers, by number; from time to time another process."""

    def __init__(
        self,
        number: int,
        config: GatewayConfig,
        listener: socket.socket,
        directory: Path,
        clock: Clock | None = None,
        *,
        redirect: socket.socket | None = None,
    ) -> None:
        """`directory` is private; the admin socket goes there. `redirect` listens for plain HTTP beside TLS."""
        self.was_ready = asyncio.Event()
        """Set when the first process accepts connections, and ever after."""
        self.admin_path = directory / f"{number}.sock"
        self.births = 0
        """How many processes this has been."""
        self._number = number
        self._config = config
        self._listener = listener
        self._redirect = redirect
        self._clock = clock or SystemClock()
        self._backoff = RestartBackoff()
        self._stopping = asyncio.Event()
        self._order = b""
        self._process: BaseProcess | None = None
        self._control: asyncio.StreamWriter | None = None

    async def keep_alive(self) -> None:
        """Run one process after the other until `stop`.

        Raises:
            WorkerEndedEarly: the first one never became ready.
        """
        while not self._stopping.is_set():
            started = self._clock.monotonic()
            how = await self._live()
            if self._stopping.is_set():
                return
            if not self.was_ready.is_set():
                raise WorkerEndedEarly(f"worker {self._number} ended before it was ready ({how})")
            delay = self._backoff.delay(self._clock.monotonic() - started)
            _log.warning("worker %d ended (%s); another starts in %.1f s", self._number, how, delay)
            try:
                async with asyncio.timeout(delay):
                    await self._stopping.wait()
            except TimeoutError:
                pass

    def stop(self, order: bytes) -> None:
        """Send `order`, and replace the process no more."""
        self._stopping.set()
        self._order = order
        if self._control is not None:
            self._control.write(order)

    def kill(self) -> None:
        """End the process without its consent."""
        if self._process is not None:
            self._process.kill()

    async def _live(self) -> str:
        """One process, from start to end; how it ended."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = _processes.Process(
                target=work,
                args=(self._config, self._listener, theirs, self.admin_path, self._redirect),
                daemon=True,
            )
            try:
                with _deaf_to_ctrl_c():
                    process.start()
            except OSError as error:
                ours.close()
                return f"not started: {error}"
        self._process = process
        self.births += 1
        reader, self._control = await asyncio.open_connection(sock=ours)
        self._control.write(self._order)  # given while there was nobody to hear it
        try:
            await self._listen_to(reader)
        finally:
            self._control.close()
            self._control = None
        await asyncio.to_thread(process.join)
        self._process = None
        code = process.exitcode or 0
        process.close()
        return f"by signal {-code}" if code < 0 else f"exit code {code}"

    async def _listen_to(self, reader: asyncio.StreamReader) -> None:
        try:
            async for line in reader:
                if line == READY:
                    if self.was_ready.is_set():
                        _log.warning("worker %d serves again", self._number)
                    self.was_ready.set()
        except ConnectionError:
            pass  # killed, with an order unread


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """What a process is born with: no ear for Ctrl-C."""
    resource_tracker.ensure_running()  # here, because starting it unblocks the signal
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
