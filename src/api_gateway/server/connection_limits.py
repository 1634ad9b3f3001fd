"""Connection limits: how many clients may be connected at once, in all and from one address.

| a new connection                           | what happens                                                     |
|--------------------------------------------|------------------------------------------------------------------|
| there is room                              | it is counted                                                    |
| too many from its address                  | idle ones of that address make room; else 429, and closed        |
| too many in all                            | idle ones make room, else silent ones; else 503, and closed      |

Rule: idle is a connection that waits for another request (keep-alive), silent one that has not sent a byte yet. Of
either, those go first that would be closed soonest anyway. That costs their clients a new connection at worst;
refusing costs the newcomer its request. An address is an IPv6 client's /64, as for rate limits. Trusted
proxies and peers without an address (Unix-domain sockets) count in all only.

2,000 from one address: a browser opens six, so that is some three hundred people behind one NAT in the same five
seconds, and a fifth of what there is in all. Where clients come one by one, less is better.

Bound: in one process; each worker counts its own. The table has no more addresses than there are connections.

Cost: about 1 us a connection, none a request. Making room looks at every connection, so it closes several at once,
and does not look again for a moment when it found none.

What it does not do: count handshakes of TLS that are under way, or stop the kernel from queueing connections.

Source: nginx, reusable connections (`ngx_drain_connections`) and limit_conn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import nsmallest
from operator import attrgetter
from typing import Protocol

from api_gateway.core.errors import GatewayError, Overloaded, RateLimited
from api_gateway.core.headers import Headers
from api_gateway.core.lazy_timer import NEVER
from api_gateway.middleware.addresses import TrustedNetworks, subscriber
from api_gateway.server.edge_limits import EdgeLimits

CLOSED_AT_ONCE = 32
"""Connections that make room together, at most."""

LOOK_AGAIN = 0.1
"""Seconds without another look when no connection could make room."""

_NOBODY: frozenset[Connection] = frozenset()
_RETRY = Headers({"retry-after": "1"})
TOO_MANY = Overloaded("There are as many connections as there may be.", headers=_RETRY)
TOO_MANY_FROM_ADDRESS = RateLimited(
    "There are too many connections from this address.", policies=["max_connections_per_address"], headers=_RETRY
)


class Connection(Protocol):
    """A client's connection."""

    @property
    def idle_deadline(self) -> float:
        """When it will be closed for being idle, on the event loop's clock; NEVER where it is not."""
        ...

    @property
    def silent_deadline(self) -> float:
        """When it will be closed for never having sent a byte; NEVER where it has."""
        ...

    def give_way(self) -> None:
        """Close at once: it is idle or silent, and another needs its place."""
        ...


class ConnectionLimits:
    """Counts the connections of one server."""

    __slots__ = ("_addresses", "_look_at", "_open", "_per_address", "_total", "_trusted", "gave_way", "refused")

    gave_way: int
    """Idle and silent connections closed in favour of others, since the start."""
    refused: int
    """Connections refused, since the start."""

    def __init__(self, limits: EdgeLimits) -> None:
        self._total = limits.max_connections
        self._per_address = limits.max_connections_per_address
        self._trusted = TrustedNetworks(limits.trusted_proxies)
        self._look_at = 0.0
        self._open: dict[Connection, str] = {}
        self._addresses: dict[str, set[Connection]] = {}
        self.gave_way = self.refused = 0

    def __len__(self) -> int:
        return len(self._open)

    @property
    def addresses(self) -> int:
        """How many addresses they are from, trusted ones not counted."""
        return len(self._addresses)

    def admit(self, connection: Connection, address: str, now: float) -> GatewayError | None:
        """Count a new connection; or why it must go.

        `address` is empty where there is none; `now` is the event loop's time.
        """
        key = "" if not address or address in self._trusted else subscriber(address)
        same = self._addresses.get(key, _NOBODY)
        if len(same) >= self._per_address and not self._make_room(same, self._per_address, _idle):
            self.refused += 1
            return TOO_MANY_FROM_ADDRESS
        if len(self._open) >= self._total and not self._make_room_for_anybody(now):
            self.refused += 1
            return TOO_MANY
        self._open[connection] = key
        if key:
            self._addresses.setdefault(key, set()).add(connection)
        return None

    def release(self, connection: Connection) -> None:
        """The connection is gone; of no effect for one that was refused, or is gone already."""
        key = self._open.pop(connection, "")
        if key:
            same = self._addresses[key]
            same.remove(connection)
            if not same:
                del self._addresses[key]

    def _make_room_for_anybody(self, now: float) -> bool:
        if now < self._look_at:
            return False
        if self._make_room(self._open, self._total, _idle) or self._make_room(self._open, self._total, _silent):
            return True
        self._look_at = now + LOOK_AGAIN
        return False

    def _make_room(
        self, connections: Iterable[Connection], limit: int, deadline: Callable[[Connection], float]
    ) -> bool:
        waiting = [connection for connection in connections if deadline(connection) < NEVER]
        most = max(1, min(CLOSED_AT_ONCE, limit // 8))
        for connection in nsmallest(most, waiting, key=deadline):
            self.release(connection)
            connection.give_way()
            self.gave_way += 1
        return bool(waiting)


_idle = attrgetter("idle_deadline")
_silent = attrgetter("silent_deadline")
