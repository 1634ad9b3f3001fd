"""Gradient2: is this round of answers slower than answers usually are?

Rule: with g = tolerance * usual / this, kept within [0.5, 1], the limit goes a fifth of the way to g L + 4.
Usual is the exponential mean of about the last 100 rounds. When a round is twice as quick as usual, the
usual time is of a trouble that is over, and is taken down by a twentieth each time.

Bound: one round changes the limit by at most a tenth down and 0.8 up.
Cost: O(1), a few numbers.

What it does not do: notice what comes slowly. A queue that grows so that the mean follows is taken for what
is usual: 20 workers under twice their load have a limit of about 40 after a minute, and 60 to 85 after six.
A greater tolerance makes that worse; `most` bounds it. Of a dropped call it learns nothing but that the
round was bad, and takes it for twice as slow as usual.

Source: Netflix concurrency-limits, Gradient2Limit.
"""

from __future__ import annotations

from api_gateway.resilience.adaptive_limit import FIRST, LEAST, MOST, BoundedLimit, Round

TOLERANCE = 1.0
SMOOTHING = 0.2
QUEUE = 4
MEMORY = 100
"""Rounds whose mean is what is usual."""


class Gradient2Limit(BoundedLimit):
    """Follows the ratio of the usual time to the present one."""

    __slots__ = ("_round", "_rounds", "_tolerance", "_usual")

    def __init__(
        self, first: float = FIRST, *, least: int = LEAST, most: int = MOST, tolerance: float = TOLERANCE
    ) -> None:
        """An answer may take `tolerance` times what is usual before the limit goes down.

        Raises:
            ValueError: the tolerance is less than 1, or it is not 1 <= least <= first <= most.
        """
        super().__init__(first, least=least, most=most)
        if tolerance < 1:
            raise ValueError(f"tolerance must be at least 1, not {tolerance}")
        self._tolerance = tolerance
        self._usual = 0.0  # nanoseconds
        self._round = Round()
        self._rounds = 0

    def record(self, started: int, now: int, in_flight: int, *, dropped: bool = False) -> None:
        """See the protocol."""
        sample = self._round.add(started, now, in_flight, self._limit, dropped=dropped)
        if sample is None:
            return
        if sample.dropped:
            self._approach(0.5)
            return
        self._rounds = min(self._rounds + 1, MEMORY)
        self._usual += (sample.took - self._usual) / self._rounds
        if self._usual > 2 * sample.took:
            self._usual *= 0.95
        if sample.in_use:
            self._approach(min(1.0, max(0.5, self._tolerance * self._usual / sample.took)))

    def _approach(self, gradient: float) -> None:
        aim = gradient * self._limit + QUEUE
        self._set((1 - SMOOTHING) * self._limit + SMOOTHING * aim)
