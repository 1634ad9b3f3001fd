"""Outcome window: how the latest calls went, as three numbers.

Rule: a window by count holds the last N outcomes; a window by time holds those of the last so many
seconds (`sliding_sums.py`). Both keep running sums, so nobody ever walks over the outcomes.

Which one: N calls are the same evidence at any traffic, but at one call a minute twenty of them are
twenty minutes old. Ten seconds are always recent, but on a quiet night they hold two calls. A window by
time therefore needs a minimum of calls more than one by count does.

Bound: the counts are exact, of calls within the window and of nothing else.
Memory: one byte an outcome by count; three numbers a bucket by time.
Cost: O(1).

What it does not do: judge. What rate is too high is the circuit breaker's to say.

Source: M. Nygard, "Release It!", 2nd ed., 2018, ch. 5; resilience4j, SlidingWindowMetrics.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from api_gateway.resilience.sliding_sums import SlidingSums

_FAILED, _SLOW = 1, 2


class Outcomes(NamedTuple):
    """How many calls, and of those how many failed and how many were slow; one call may be both."""

    calls: int
    failures: int
    slow: int


class OutcomeWindow(Protocol):
    """Remembers outcomes for a while."""

    def record(self, now: int, *, failed: bool, slow: bool) -> None:
        """A call ended at `now`, monotonic nanoseconds."""
        ...

    def outcomes(self, now: int) -> Outcomes:
        """Those that count at `now`."""
        ...

    def clear(self) -> None:
        """Forget everything."""
        ...


class CountWindow:
    """The last `size` calls, however long ago."""

    __slots__ = ("_calls", "_failures", "_next", "_ring", "_slow")

    def __init__(self, size: int) -> None:
        """Start with no calls.

        Raises:
            ValueError: `size` is less than 1.
        """
        if size < 1:
            raise ValueError(f"size must be at least 1, not {size}")
        self._ring = bytearray(size)
        self._next = self._calls = self._failures = self._slow = 0

    @property
    def size(self) -> int:
        """How many calls it remembers."""
        return len(self._ring)

    def record(self, now: int, *, failed: bool, slow: bool) -> None:
        """A call ended; the oldest one of a full window is forgotten."""
        if self._calls < len(self._ring):
            self._calls += 1
        else:
            forgotten = self._ring[self._next]
            self._failures -= forgotten & _FAILED
            self._slow -= (forgotten & _SLOW) // _SLOW
        self._ring[self._next] = failed * _FAILED | slow * _SLOW
        self._next = (self._next + 1) % len(self._ring)
        self._failures += failed
        self._slow += slow

    def outcomes(self, now: int) -> Outcomes:
        """Of the last calls; time does not matter."""
        return Outcomes(self._calls, self._failures, self._slow)

    def clear(self) -> None:
        """Forget everything."""
        self._next = self._calls = self._failures = self._slow = 0


class TimeWindow:
    """The calls that ended within the last `length` nanoseconds."""

    __slots__ = ("_sums",)

    def __init__(self, length: int, buckets: int = 10) -> None:
        """Start with no calls.

        Raises:
            ValueError: there is no bucket, or `length` cannot be cut into so many equal ones.
        """
        self._sums = SlidingSums(length, buckets, columns=3)

    def record(self, now: int, *, failed: bool, slow: bool) -> None:
        """A call ended at `now`, monotonic nanoseconds."""
        self._sums.add(now, 0)
        if failed:
            self._sums.add(now, 1)
        if slow:
            self._sums.add(now, 2)

    def outcomes(self, now: int) -> Outcomes:
        """Of the calls in the bucket of `now` and the ones before it."""
        calls, failures, slow = self._sums.sums(now)
        return Outcomes(calls, failures, slow)

    def clear(self) -> None:
        """Forget everything."""
        self._sums.clear()
