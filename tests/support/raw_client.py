"""A client that sends exactly the bytes it is told, and reports exactly what came back.

    async with connect(port) as client:
        client.send(b"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
        response = await client.response()
        assert response.status == 200
        assert not response.cut
        assert await client.ended()

Rule: every wait has a deadline, so a server that hangs fails the test. A `cut` is an end of the
connection before the end that the response's framing announced, or a reset.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

DEADLINE = 2.0
"""Seconds for which a test waits for anything on a socket."""


@dataclass
class RawResponse:
    """One response as it came."""

    status: int
    headers: list[tuple[str, str]]
    """Lower-case names, in order."""
    body: bytes = b""
    chunks: list[bytes] = field(default_factory=list)
    """The chunks, if it came chunked."""
    cut: bool = False
    """Whether it ended before its framing said so."""
    reset: bool = False
    """Whether that was a reset of the connection."""

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key == name]
        assert len(values) <= 1, f"{name} is repeated: {values}"
        return values[0] if values else None

    def json(self) -> Any:
        return json.loads(self.body)


class RawClient:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        """Send, without waiting for room."""
        self.writer.write(data)

    async def send_all(self, data: bytes, seconds: float = DEADLINE) -> None:
        """Send, and wait until the kernel has taken it."""
        self.writer.write(data)
        async with asyncio.timeout(seconds):
            await self.writer.drain()

    def finish_sending(self) -> None:
        """Close this direction only."""
        self.writer.write_eof()

    def reset(self) -> None:
        """Disappear without a goodbye."""
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def head(self, seconds: float = DEADLINE) -> RawResponse:
        """Read one head, 1xx too."""
        async with asyncio.timeout(seconds):
            raw = await self.reader.readuntil(b"\r\n\r\n")
        lines = raw[:-4].decode("latin-1").split("\r\n")
        version, status, *_ = lines[0].split(" ", 2)
        assert version == "HTTP/1.1", lines[0]
        pairs = [line.split(": ", 1) for line in lines[1:]]
        return RawResponse(int(status), [(name.lower(), value) for name, value in pairs])

    async def response(self, method: str = "GET", seconds: float = DEADLINE) -> RawResponse:
        """Read one whole response to `method`."""
        response = await self.head(seconds)
        bodiless = method == "HEAD" or response.status in (204, 304) or response.status < 200
        if not bodiless:
            try:
                async with asyncio.timeout(seconds):
                    await self._read_body(response)
            except asyncio.IncompleteReadError as error:
                response.body += error.partial
                response.cut = True
            except ConnectionError:
                response.cut = response.reset = True
        return response

    async def _read_body(self, response: RawResponse) -> None:
        length = response.header("content-length")
        if response.header("transfer-encoding") == "chunked":
            assert length is None, "both framings"
            while chunk := await self._chunk():
                response.chunks.append(chunk)
                response.body += chunk
        elif length is not None:
            left = int(length)
            while left:
                piece = await self.reader.read(min(left, 262144))
                if not piece:
                    raise asyncio.IncompleteReadError(b"", left)
                response.body += piece
                left -= len(piece)
        else:
            while piece := await self.reader.read(262144):
                response.body += piece

    async def chunk(self, seconds: float = DEADLINE) -> bytes:
        """Read one chunk; empty for the last."""
        async with asyncio.timeout(seconds):
            return await self._chunk()

    async def _chunk(self) -> bytes:
        size = int((await self.reader.readuntil(b"\r\n"))[:-2], 16)
        chunk = await self.reader.readexactly(size)
        assert await self.reader.readexactly(2) == b"\r\n", "a chunk ends with CRLF"
        return chunk

    async def rest(self, seconds: float = DEADLINE) -> bytes:
        """Read to the end of the connection."""
        async with asyncio.timeout(seconds):
            return await self.reader.read()

    async def ended(self, seconds: float = DEADLINE) -> bool:
        """Wait for the end of the connection: whether it came properly and behind not one byte more."""
        try:
            return await self.rest(seconds) == b""
        except ConnectionError:
            return False

    async def gone(self, seconds: float = DEADLINE) -> bool:
        """Wait for the end of the connection, proper or reset: whether no byte came before it."""
        try:
            return await self.rest(seconds) == b""
        except ConnectionError:
            return True


@asynccontextmanager
async def connect(port: int, receive_buffer: int | None = None) -> AsyncIterator[RawClient]:
    """Connect to 127.0.0.1; `receive_buffer` makes the kernel hold at most about so many bytes."""
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio: TCP_NODELAY
    if receive_buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    except BaseException:
        connection.close()
        raise
    reader, writer = await asyncio.open_connection(sock=connection)
    try:
        yield RawClient(reader, writer)
    finally:
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()
