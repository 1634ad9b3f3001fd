"""First byte: whether a new connection speaks TLS, without taking anything from it.

Rule: a handshake record begins with 22 (RFC 8446 section 5.1); anything else is not TLS, most likely plain HTTP,
and gets a plain answer. Until that byte is there, nothing has been allocated for TLS, whose buffers are 256 KiB and
more a connection: a client that connects and says nothing costs a socket and a task.
"""

from __future__ import annotations

import asyncio
import socket

from api_gateway.core.errors import BadRequest
from api_gateway.server.refusal import refusal

_HANDSHAKE = b"\x16"
_LONGEST_READ = 65536


async def first_byte(connection: socket.socket) -> bytes:
    """The byte that comes first, which stays where it is; empty if the connection ends before."""
    while True:
        try:
            return connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            await _readable(connection)
        except ConnectionError:
            return b""


def is_tls(byte: bytes) -> bool:
    """Whether `byte` begins a TLS connection."""
    return byte == _HANDSHAKE


def answer_in_plain(connection: socket.socket) -> None:
    """Tell a client that spoke plain HTTP, as well as that can be done at once."""
    try:
        connection.recv(_LONGEST_READ)  # or closing would send a reset, and destroy the answer
        connection.send(refusal(BadRequest("This port speaks HTTPS, and the request came in plain HTTP.")))
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # it has gone


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    loop.add_reader(connection, _set, readable)
    try:
        await readable
    finally:
        loop.remove_reader(connection)


def _set(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)
