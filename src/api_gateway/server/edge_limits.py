"""Edge limits: what one client may cost before, and while, its request is answered.

What it does not do: bound bodies (`middleware/body_limit.py`) or the number of connections.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EdgeLimits:
    """What one request's head may take, and how long a client may keep its answer waiting."""

    max_target: int = 8 * 1024
    """Bytes of path and query."""
    max_header_bytes: int = 32 * 1024
    """Bytes of the header section; also of trailers."""
    max_header_fields: int = 100
    head_timeout: float = 10.0
    """Seconds from the first byte (or the connection's start) to the end of the header section."""
    send_timeout: float = 60.0
    """Seconds for which a client may take not one byte of what waits for it."""
