"""Close-delimited answers: what a client of HTTP/1.0 gets instead of chunks.

Rule: where the length is known, `Content-Length` frames the body as ever. Where it is not, the end
of the connection is the end of the body, as HTTP/1.0 has no chunks. A body that fails must then
end in a reset, or the client takes what it has for the whole.

Source: RFC 9112 sections 6.1 (no transfer coding to an HTTP/1.0 client) and 6.3, rule 8.
"""

from __future__ import annotations

import asyncio
import socket
import struct

_ON_THEN_ZERO_SECONDS = struct.pack("ii", 1, 0)


def reset(transport: asyncio.Transport) -> None:
    """Close so that the client sees an error, not an end."""
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ON_THEN_ZERO_SECONDS)
    transport.abort()
