"""Connection pool: idle keep-alive connections to one endpoint.

Rule: last in, first out. The connection used last is the least likely to have been closed by the
other side meanwhile, and the surplus of a burst stays at the bottom, ages, and is closed.
Only connections that ended an exchange in perfect order come here; any doubt about where a
message ends, and the connection is closed instead (see `connection.py`). Before one is taken, its
socket is asked: bytes or an end of stream that wait there, unseen by the event loop as yet, close it.

Cost: O(1) a request, and a system call of half a microsecond. No lock: one event loop, and no
`await` between look and take.

What it does not do: limit how many connections are in use. That is a bulkhead's part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api_gateway.transport.http1.connection import Http1Connection

MAX_IDLE = 256
"""Idle connections kept for one endpoint; more are closed."""


class ConnectionPool:
    """The idle connections to one endpoint."""

    __slots__ = ("_closed", "_idle", "_open")

    def __init__(self) -> None:
        self._idle: list[Http1Connection] = []
        self._open: set[Http1Connection] = set()
        self._closed = False

    def take(self) -> Http1Connection | None:
        """An idle connection, now the caller's; or None."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                if connection.quiet():
                    return connection
                connection.abort()
        return None

    def adopt(self, connection: Http1Connection) -> None:
        """A connection has been made for a request; of no use if this pool was closed meanwhile."""
        self._open.add(connection)
        if self._closed:
            connection.abort()

    def give_back(self, connection: Http1Connection) -> bool:
        """Keep a connection for the next request; False if there is no room and it must close."""
        if self._closed or len(self._idle) >= MAX_IDLE:
            return False
        self._idle.append(connection)
        return True

    def forget(self, connection: Http1Connection) -> None:
        """A connection is gone."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        """Close every connection, in use or not."""
        self._closed = True
        for connection in tuple(self._open):
            connection.abort()
        self._idle.clear()

    @property
    def idle(self) -> int:
        """How many connections wait for work."""
        return len(self._idle)

    @property
    def active(self) -> int:
        """How many connections are in use."""
        return len(self._open) - len(self._idle)
