"""Close-delimited answers: what a client of HTTP/1.0 gets instead of chunks.

Rule: where the length is known, `Content-Length` frames the body as ever. Where it is not, the end
of the connection is the end of the body: HTTP/1.0 has no chunks, and uvicorn would send them.
A body that fails must then end in a reset, or the client takes what it has for the whole.

Source: RFC 9112 sections 6.1 (no transfer coding to an HTTP/1.0 client) and 6.3, rule 8.
"""

from __future__ import annotations

import asyncio
import socket
import struct

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

_ON_THEN_ZERO_SECONDS = struct.pack("ii", 1, 0)


class CloseDelimitedSend:
    """The ASGI `send` of one request that came by HTTP/1.0."""

    def __init__(self, cycle: RequestResponseCycle) -> None:
        """Take the place of `cycle.send`."""
        self._cycle = cycle
        self._send = cycle.send
        self._counted = False

    async def __call__(self, message: ASGISendEvent) -> None:
        """Send one part of the answer."""
        if message["type"] == "http.response.start":
            self._counted = any(name.lower() == b"content-length" for name, _ in message.get("headers", ()))
            if not self._counted:
                self._cycle.chunked_encoding = False
        elif message["type"] == "http.response.body" and not self._counted:
            self._cycle.expected_content_length = len(message.get("body", b""))
        await self._send(message)


def reset(transport: asyncio.Transport) -> None:
    """Close so that the client sees an error, not an end."""
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ON_THEN_ZERO_SECONDS)
    transport.abort()
