"""1 GiB passes in either direction, and the gateway does not grow.

The gateway is a process of its own, so that its memory is; origin and client are threads with
blocking sockets that send one buffer again and again. What is compared is the *peak* of resident
memory, before and after.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

MIB = 1024 * 1024
SIZES = {"uvloop": 1024 * MIB, "asyncio": 256 * MIB}
"""Bytes in each direction; the loop that production runs on has to carry the most."""
PIECE = memoryview(bytes(256 * 1024))
GROWTH = 32 * MIB

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the peak memory of another process is read from /proc"
)

GATEWAY = """
import asyncio, sys
from tests.support.gateway_server import proxying, serve

async def main():
    async with serve(proxying(sys.argv[1])) as server:
        print(server.port, flush=True)
        await asyncio.to_thread(sys.stdin.read)

if sys.argv[2] == "uvloop":
    import uvloop
    loop_factory = uvloop.new_event_loop
else:
    loop_factory = asyncio.SelectorEventLoop
with asyncio.Runner(loop_factory=loop_factory) as runner:
    runner.run(main())
"""


class Gateway:
    """The process, and where it listens."""

    def __init__(self, origin_port: int, loop: str) -> None:
        url = f"http://127.0.0.1:{origin_port}"
        self._process = subprocess.Popen(
            [sys.executable, "-c", GATEWAY, url, loop],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    @property
    def peak(self) -> int:
        """The most resident memory it ever had, in bytes."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        match = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert match is not None
        return int(match.group(1)) * 1024

    def stop(self) -> None:
        self._process.communicate(timeout=10)
        assert self._process.returncode == 0


def read_head(connection: socket.socket) -> tuple[bytes, int]:
    """The head, and how many bytes of the body came with it."""
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(65536)
        assert more, received
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    return head.lower(), len(body)


def read_body(connection: socket.socket, left: int) -> None:
    buffer = bytearray(len(PIECE))
    while left:
        count = connection.recv_into(buffer, min(left, len(buffer)))
        assert count, f"{left} bytes are missing"
        left -= count


def send_body(connection: socket.socket, left: int) -> None:
    while left:
        connection.sendall(PIECE[:left])
        left -= min(left, len(PIECE))


def serve_one(listener: socket.socket) -> None:
    """Accept one connection and answer its one request: a PUT is read, a GET gets as many bytes as it asks for."""
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(20)
        head, received = read_head(connection)
        uploaded = re.search(rb"content-length: (\d+)", head)
        wanted = re.search(rb"get /(\d+)", head)
        if uploaded:
            read_body(connection, int(uploaded.group(1)) - received)
        size = int(wanted.group(1)) if wanted else 0
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size)
        send_body(connection, size)


def upload(port: int, size: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
        send_body(connection, size)
        head, _ = read_head(connection)
        assert head.startswith(b"http/1.1 200 ")


def download(port: int, size: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % size)
        head, received = read_head(connection)
        assert head.startswith(b"http/1.1 200 ")
        read_body(connection, size - received)


@contextmanager
def origin() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        yield listener


@pytest.mark.parametrize("loop", SIZES)
@pytest.mark.parametrize("transfer", [upload, download])
def test_a_gibibyte_passes_without_staying(transfer: Callable[[int, int], None], loop: str) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop", reason="uvloop is an extra")
    with origin() as listener, ThreadPoolExecutor(1) as pool:
        gateway = Gateway(listener.getsockname()[1], loop)
        try:
            served = pool.submit(serve_one, listener)
            transfer(gateway.port, 1)
            served.result(20)
            before = gateway.peak
            served = pool.submit(serve_one, listener)
            transfer(gateway.port, SIZES[loop])
            served.result(20)
            growth = gateway.peak - before
        finally:
            gateway.stop()
    assert growth < GROWTH, f"grew by {growth / MIB:.1f} MiB"
