"""Small pieces: what is written goes out at once, however little it is.

Rule: TCP_NODELAY, or the second small chunk of a stream waits up to 40 ms for an acknowledgement. asyncio sets it only
for sockets that were made with an explicit protocol number; the one that a supervisor binds and hands on rarely is.
"""

from __future__ import annotations

import asyncio
import socket


def send_small_pieces_at_once(transport: asyncio.Transport) -> None:
    """Have the kernel send whatever is written without waiting for more."""
    connection = transport.get_extra_info("socket")
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
