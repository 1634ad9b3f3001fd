"""AIMD: add one for each round of good answers, take a tenth away for a bad one.

Rule: a call that was dropped, or took longer than `too_slow`, makes the limit L * 0.9; any other adds
1 / L, so L of them, which is about a round trip, add 1. As TCP halves its window once for a loss, not
once for each packet of it, a bad call that began before the last decrease changes nothing: it tells of
the limit as it was.

Bound: converges to a saw's teeth between 0.9 L* and L*, where L* is the limit at which calls become too
slow; several gateways before one service come to equal shares (Chiu and Jain).
Cost: O(1), two numbers.

What it does not do: know what is slow; `too_slow` must be told, and a service that is slower than that by
nature is throttled down to `least`.

Source: V. Jacobson, "Congestion avoidance and control", SIGCOMM 1988; D.-M. Chiu and R. Jain, "Analysis of
the increase and decrease algorithms", 1989.
"""

from __future__ import annotations

from api_gateway.resilience.adaptive_limit import FIRST, LEAST, MOST, BoundedLimit

BACKOFF_RATIO = 0.9


class AIMDLimit(BoundedLimit):
    """Additive increase, multiplicative decrease."""

    __slots__ = ("_decreased", "_too_slow")

    def __init__(self, too_slow: int, first: float = FIRST, *, least: int = LEAST, most: int = MOST) -> None:
        """A call is bad that takes longer than `too_slow` nanoseconds.

        Raises:
            ValueError: `too_slow` is not positive, or it is not 1 <= least <= first <= most.
        """
        super().__init__(first, least=least, most=most)
        if too_slow < 1:
            raise ValueError(f"too_slow must be at least 1 nanosecond, not {too_slow}")
        self._too_slow = too_slow
        self._decreased: int | None = None

    def record(self, started: int, now: int, in_flight: int, *, dropped: bool = False) -> None:
        """See the protocol."""
        if dropped or now - started > self._too_slow:
            if self._decreased is None or started >= self._decreased:
                self._set(self._limit * BACKOFF_RATIO)
                self._decreased = now
        elif 2 * in_flight >= self._limit:
            self._set(self._limit + 1 / self._limit)
