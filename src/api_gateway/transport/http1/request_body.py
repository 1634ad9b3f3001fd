"""Request body: an upload on its way to the service, counted or chunked, with back-pressure.

Rule: with a Content-Length exactly that many bytes are sent, or the connection is given up: one
byte more would be the beginning of a request that nobody sent. Without one, chunked.
Each chunk waits until the socket has room, so a slow service slows the client down.

Source: RFC 9112 sections 6.2 and 7.1.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable
from typing import Protocol

from api_gateway.core.errors import BadRequest


class Sink(Protocol):
    """The connection, as an upload sees it."""

    def write(self, data: bytes) -> None:
        """Send bytes, buffering what the socket does not take."""
        ...

    def writable(self) -> Awaitable[None]:
        """Wait for room in the buffer."""
        ...


async def send_counted(body: AsyncIterable[bytes], length: int, sink: Sink) -> None:
    """Send a body of exactly `length` bytes.

    Raises:
        BadRequest: the body has another length.
    """
    left = length
    async for chunk in body:
        left -= len(chunk)
        if left < 0:
            raise BadRequest(f"The request body is longer than its Content-Length of {length}.")
        sink.write(chunk)
        await sink.writable()
    if left:
        raise BadRequest(f"The request body is {left} bytes shorter than its Content-Length of {length}.")


async def send_chunked(body: AsyncIterable[bytes], sink: Sink) -> None:
    """Send a body of unknown length in chunks."""
    async for chunk in body:
        if chunk:  # an empty chunk would mean the end
            sink.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            await sink.writable()
    sink.write(b"0\r\n\r\n")
