"""Outcome window: how the latest calls went, as three numbers, and where.

Rule: a window by count holds the last N outcomes; a window by time holds those of the last so many
seconds, in buckets. Both keep running sums, so nobody walks over the outcomes, but to say where the
failures were (`by_place`), and that is asked when a circuit opens.

Which one: N calls are the same evidence at any traffic, but at one call a minute twenty of them are
twenty minutes old. Ten seconds are always recent, but on a quiet night they hold two calls. A window by
time therefore needs a minimum of calls more than one by count does.

An answer that was good when its head came may break off later. `amend` makes a failure of the outcome
that was recorded then, so that the call counts once; an outcome that has left cannot be amended.

Bound: the counts are exact, of calls within the window and of nothing else. By time, that is the bucket
of `now` and the ones before it: the last (buckets - 1) / buckets to 1 of the length.
Memory: a byte and a reference an outcome by count; three numbers a place and bucket by time.
Cost: O(1); `by_place` is O(size), or O(buckets * places).

What it does not do: judge. What rate is too high is the circuit breaker's to say.

Source: M. Nygard, "Release It!", 2nd ed., 2018, ch. 5; resilience4j, SlidingWindowMetrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

_FAILED, _SLOW = 1, 2


class Outcomes(NamedTuple):
    """How many calls, and of those how many failed and how many were slow; one call may be both."""

    calls: int
    failures: int
    slow: int


class OutcomeWindow(Protocol):
    """Remembers outcomes for a while."""

    def record(self, now: int, *, failed: bool, slow: bool, place: str = "") -> int:
        """A call at `place` ended at `now`, monotonic nanoseconds; the number is for `amend`."""
        ...

    def amend(self, now: int, number: int, place: str) -> bool:
        """The outcome `number`, no failure so far, is one after all; False if it is forgotten."""
        ...

    def outcomes(self, now: int) -> Outcomes:
        """Those that count at `now`."""
        ...

    def by_place(self, now: int) -> Mapping[str, Outcomes]:
        """Those that count at `now`, apart."""
        ...

    def clear(self) -> None:
        """Forget everything."""
        ...


class CountWindow:
    """The last `size` calls, however long ago."""

    __slots__ = ("_calls", "_ever", "_failures", "_places", "_ring", "_slow")

    def __init__(self, size: int) -> None:
        """Start with no calls.

        Raises:
            ValueError: `size` is less than 1.
        """
        if size < 1:
            raise ValueError(f"size must be at least 1, not {size}")
        self._ring = bytearray(size)
        self._places = [""] * size
        self._ever = self._calls = self._failures = self._slow = 0

    @property
    def size(self) -> int:
        """How many calls it remembers."""
        return len(self._ring)

    def record(self, now: int, *, failed: bool, slow: bool, place: str = "") -> int:
        """A call ended; the oldest one of a full window is forgotten."""
        number = self._ever
        index = number % len(self._ring)
        if self._calls < len(self._ring):
            self._calls += 1
        else:
            forgotten = self._ring[index]
            self._failures -= forgotten & _FAILED
            self._slow -= (forgotten & _SLOW) // _SLOW
        self._ring[index] = failed * _FAILED | slow * _SLOW
        self._places[index] = place
        self._failures += failed
        self._slow += slow
        self._ever += 1
        return number

    def amend(self, now: int, number: int, place: str) -> bool:
        """See `OutcomeWindow`."""
        if number < self._ever - self._calls:
            return False
        self._ring[number % len(self._ring)] |= _FAILED
        self._failures += 1
        return True

    def outcomes(self, now: int) -> Outcomes:
        """Of the last calls; time does not matter."""
        return Outcomes(self._calls, self._failures, self._slow)

    def by_place(self, now: int) -> Mapping[str, Outcomes]:
        """Of the last calls, apart."""
        counts: dict[str, list[int]] = {}
        for number in range(self._ever - self._calls, self._ever):
            index = number % len(self._ring)
            bits = self._ring[index]
            _add(counts, self._places[index], bits & _FAILED, (bits & _SLOW) // _SLOW)
        return {place: Outcomes(*numbers) for place, numbers in counts.items()}

    def clear(self) -> None:
        """Forget everything."""
        self._calls = self._failures = self._slow = 0


class TimeWindow:
    """The calls that ended within the last `length` nanoseconds."""

    __slots__ = ("_latest", "_ring", "_sums", "_width")

    def __init__(self, length: int, buckets: int = 10) -> None:
        """Start with no calls.

        Raises:
            ValueError: there is no bucket, or `length` cannot be cut into so many equal ones.
        """
        if buckets < 1:
            raise ValueError(f"buckets must be at least 1, not {buckets}")
        if length < buckets or length % buckets:
            raise ValueError(f"length must be a positive multiple of {buckets} nanoseconds, not {length}")
        self._width = length // buckets
        self._ring: list[dict[str, list[int]]] = [{} for _ in range(buckets)]
        self._sums = [0, 0, 0]
        self._latest = 0

    def record(self, now: int, *, failed: bool, slow: bool, place: str = "") -> int:
        """A call ended; what ended in the past counts in the latest bucket."""
        self._enter(now)
        _add(self._ring[self._latest % len(self._ring)], place, failed, slow)
        self._change(1, failed, slow)
        return self._latest

    def amend(self, now: int, number: int, place: str) -> bool:
        """See `OutcomeWindow`."""
        self._enter(now)
        counts = self._ring[number % len(self._ring)].get(place)
        if counts is None or number <= self._latest - len(self._ring):
            return False
        counts[1] += 1
        self._change(0, 1, 0)
        return True

    def outcomes(self, now: int) -> Outcomes:
        """Of the calls in the bucket of `now` and the ones before it."""
        self._enter(now)
        return Outcomes(*self._sums)

    def by_place(self, now: int) -> Mapping[str, Outcomes]:
        """Of the same calls, apart."""
        self._enter(now)
        counts: dict[str, list[int]] = {}
        for offset in range(1, len(self._ring) + 1):  # the oldest first
            for place, (calls, failures, slow) in self._ring[(self._latest + offset) % len(self._ring)].items():
                _add(counts, place, failures, slow, calls)
        return {place: Outcomes(*numbers) for place, numbers in counts.items()}

    def clear(self) -> None:
        """Forget everything."""
        self._sums = [0, 0, 0]
        for bucket in self._ring:
            bucket.clear()

    def _enter(self, now: int) -> None:
        """Drop the buckets that `now` leaves behind; none is dropped twice, however long the silence was."""
        latest = now // self._width
        for passed in range(self._latest + 1, min(latest, self._latest + len(self._ring)) + 1):
            bucket = self._ring[passed % len(self._ring)]
            for calls, failures, slow in bucket.values():
                self._change(-calls, -failures, -slow)
            bucket.clear()
        self._latest = max(self._latest, latest)

    def _change(self, calls: int, failures: int, slow: int) -> None:
        self._sums[0] += calls
        self._sums[1] += failures
        self._sums[2] += slow


def _add(counts: dict[str, list[int]], place: str, failures: int, slow: int, calls: int = 1) -> None:
    numbers = counts.setdefault(place, [0, 0, 0])
    numbers[0] += calls
    numbers[1] += failures
    numbers[2] += slow
