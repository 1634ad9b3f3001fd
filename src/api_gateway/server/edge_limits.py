"""Edge limits: what one client may cost before, and while, its request is answered.

Every number is for one process: of several workers (`--workers`), each has as many connections of its own.

A client that is slow to take its answer has `send_timeout` and no minimum rate beside it, because the system has
one already: the kernel takes more of an answer only when a third of its buffer (16 KiB and up) is free again. So who
keeps a connection by reading has to take some 15 KiB in each `send_timeout`, about 256 bytes a second.

What it does not do: bound bodies (`middleware/body_limit.py`).

Source: Apache mod_reqtimeout (MinRate); Kestrel (MinRequestBodyDataRate); nginx limit_conn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EdgeLimits:
    """What a client may take of the edge, in size, in time, and in connections."""

    max_target: int = 8 * 1024
    """Bytes of path and query."""
    max_header_bytes: int = 32 * 1024
    """Bytes of the header section; also of trailers."""
    max_header_fields: int = 100
    head_timeout: float = 10.0
    """Seconds from the first byte (or the connection's start) to the end of the header section."""
    send_timeout: float = 60.0
    """Seconds for which a client may take not one byte of what waits for it."""
    min_body_rate: float = 256.0
    """Bytes a second that a body must bring, on average, while the gateway waits for it."""
    body_grace: float = 10.0
    """Seconds of such waiting for which the rate does not matter."""
    max_connections: int = 10_000
    """Connections at once."""
    max_connections_per_address: int = 2_000
    """Of these, for one IPv4 address or one IPv6 /64."""
    trusted_proxies: Sequence[str] = ()
    """Networks without a limit for an address: behind a load balancer are many clients."""
