"""Processes: start, wait until it answers, count its CPU, stop. Nothing outlives the benchmark.

Rule: every child leads a process group of its own, is stopped with the whole group when the
`Processes` block ends, however it ends, and is killed if it has not gone in time.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from benchmarks.machine import pinned
from benchmarks.report import NotMeasuredError

ROOT = Path(__file__).resolve().parent.parent
"""The checkout, where children find this package."""

START_TIMEOUT = 20.0
"""Seconds for a child to answer its first request."""
STOP_TIMEOUT = 5.0
"""Seconds for a child to end by itself."""

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")

_GIVEN: set[int] = set()  # ports


class StartFailedError(NotMeasuredError):
    """A child ended, or did not answer in time."""


class Process:
    """One child."""

    def __init__(self, name: str, popen: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.popen = popen
        self._log = log

    def wait_until_it_answers(self, port: int, path: str) -> None:
        """Return when a GET of `path` gives 200.

        Raises:
            StartFailedError: it has ended, or does not do that in time.
        """
        end = time.monotonic() + START_TIMEOUT
        seen = "no answer"
        while time.monotonic() < end:
            if self.popen.poll() is not None:
                raise StartFailedError(f"{self.name} ended with code {self.popen.returncode}: {self.last_words()}")
            try:
                seen = _status_line(port, path)
            except OSError as error:
                seen = str(error)
            if " 200 " in seen:
                return
            time.sleep(0.05)
        raise StartFailedError(f"{self.name} is not ready: {seen}; {self.last_words()}")

    def last_words(self) -> str:
        """The last line it wrote."""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def cpu_seconds(self) -> float | None:
        """CPU used so far by it and its children; None where /proc does not tell."""
        try:
            return sum(_cpu_ticks(pid) for pid in _family(self.popen.pid)) / _TICKS
        except (OSError, ValueError):
            return None

    def resident_bytes(self) -> int | None:
        """Memory it and its children hold; None where /proc does not tell."""
        try:
            return sum(
                int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE for pid in _family(self.popen.pid)
            )
        except (OSError, ValueError):
            return None

    def stop(self) -> None:
        """End it and its group."""
        if self.popen.poll() is None:
            self.popen.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.popen.wait(STOP_TIMEOUT)
        with suppress(ProcessLookupError, PermissionError):  # the second is how macOS says the first
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()


class Processes:
    """The children of one benchmark, and a folder for their files."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def start(
        self, name: str, command: Sequence[str], core: int | None, environment: Mapping[str, str] | None = None
    ) -> Process:
        """Start `command` on `core`."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as output, pinned(core):
            popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        process = Process(name, popen, log)
        self._stack.callback(process.stop)
        return process


def free_port() -> int:
    """A loopback port that nobody listens on just now, and that was not given before: two may be asked for at once."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port: int = server.getsockname()[1]
        if port not in _GIVEN:
            _GIVEN.add(port)
            return port


def end_on_signals() -> None:
    """Let SIGTERM and SIGHUP end this program as Ctrl-C does, so that children are stopped."""

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)


def _status_line(port: int, path: str) -> str:
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
        connection.sendall(request.encode())
        return connection.recv(4096).split(b"\r\n", 1)[0].decode("latin-1")


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(descendant for child in children for descendant in _family(int(child)))]


def _cpu_ticks(pid: int) -> int:
    # The second field, the name in parentheses, may itself hold spaces and parentheses.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
