"""LimitStore: where the states of limits are kept, so that whoever enforces them need not know.

Rule: all asks of one request are charged, or none. A store in memory (`memory_store.py`) answers for one
gateway; a shared one (`redis/`) for all that use it. `now` is the caller's monotonic nanoseconds; a
shared store goes by its own clock, because the gateways' clocks differ.

What it does not do: choose limits or keys for a request, or answer HTTP. The middleware does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from api_gateway.rate_limiting.rate_limiter import Decision

AlgorithmName: TypeAlias = Literal[
    "fixed_window",
    "sliding_window_log",
    "sliding_window_counter",
    "token_bucket",
    "leaky_bucket",
    "leaky_bucket_queue",
    "gcra",
    "concurrency",
]


class Limit(NamedTuple):
    """One policy: an algorithm and its numbers, under a name that is unique in its store."""

    name: str
    algorithm: AlgorithmName
    limit: int
    period: float = 1.0
    """Seconds; of no meaning to `concurrency`."""
    burst: int | None = None


class Ask(NamedTuple):
    """What one request asks of one limit."""

    limit: Limit
    key: str
    cost: int = 1


Degraded: TypeAlias = Literal["", "admit", "refuse", "local"]
"""How a request was decided while the shared store was out of reach; empty when it was asked."""


class Grant(NamedTuple):
    """A store's answer to all asks of one request."""

    decision: Decision
    """The tightest of `decisions`; see `all_or_nothing.py`."""
    decisions: tuple[Decision, ...]
    """One for each ask, in order."""
    release: Callable[[], None] | None = None
    """To be called once when the request is finished, where something is held until then; else None."""
    degraded: Degraded = ""


class LimitStore(Protocol):
    """Decides for the keys of all limits it was made for."""

    async def acquire(self, asks: Sequence[Ask], now: int) -> Grant:
        """Charge every ask, or none.

        Raises:
            ValueError: there is no ask, or a cost is negative.
        """
        ...

    async def close(self) -> None:
        """Free what the store holds, such as connections."""
        ...
