"""Adaptive limit: how many calls at once a service can take, found out by asking it.

Rule: by Little's law a service of w workers that each take t has w calls in work when it is just busy, and
every further one only waits. Nobody knows w, and it changes. But the end of each call tells: answers that
become slow, or fail, mean a queue behind the limit, so the limit goes down; answers that stay quick while
the limit is in use mean there may be room, so it goes up.

    aimd.py       judges by failures and a fixed time; needs no other measure
    vegas.py      judges by the quickest answer it has seen: what is more is queue
    gradient2.py  judges by the mean of many answers: what is slower than usual is queue

Why rounds: a call that began before the limit changed tells of the limit as it was. To judge by it is to
correct the same mistake again and again, until the limit swings between too low and too high. So an
algorithm that measures time looks at a round of calls that all began after the last change, at least as
many as the limit, and at their mean, because one call may be long by its nature.

Bound: the limit is within [least, most], always.
Cost: O(1) a call; the limit changes once in about two round trips.

What it does not do: admit or refuse; compare `limit` with what is in flight. And it does not raise a
limit that is not in use (less than half of it in flight), because nothing is learned about it.

Source: Netflix concurrency-limits; S. Low, L. Peterson and L. Wang, "Understanding TCP Vegas", JACM 49(2), 2002.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

LEAST = 1
MOST = 1000
FIRST = 20
SAMPLES = 10
"""The fewest calls of a round."""


class Sample(NamedTuple):
    """A round of calls."""

    took: float
    """Nanoseconds, on average."""
    in_use: bool
    """Whether half of the limit or more was in flight at some time."""
    dropped: bool
    """Whether any of the calls was."""


class AdaptiveLimit(Protocol):
    """Learns from each call that ends."""

    @property
    def limit(self) -> int:
        """How many calls may be in flight."""
        ...

    def record(self, started: int, now: int, in_flight: int, *, dropped: bool = False) -> None:
        """A call ended; times in monotonic nanoseconds.

        `in_flight` counts the calls when this one ended, itself included. `dropped` says that there was no
        answer, or one that says overloaded: such a call's duration is no measure of the service's.
        """
        ...


class BoundedLimit:
    """What the algorithms share: a limit that is kept within bounds, whole to others and a fraction inside."""

    __slots__ = ("_limit", "least", "most")

    def __init__(self, first: float = FIRST, *, least: int = LEAST, most: int = MOST) -> None:
        """Start with `first`.

        Raises:
            ValueError: it is not 1 <= least <= first <= most.
        """
        if not 1 <= least <= first <= most:
            raise ValueError(f"a limit must have 1 <= least <= first <= most, not {least}, {first}, {most}")
        self.least = least
        self.most = most
        self._limit = float(first)

    @property
    def limit(self) -> int:
        """How many calls may be in flight."""
        return int(self._limit)

    def _set(self, limit: float) -> None:
        self._limit = min(max(limit, float(self.least)), float(self.most))


class Round:
    """The calls that began since the limit was last judged."""

    __slots__ = ("_began", "_busiest", "_calls", "_dropped", "_total")

    def __init__(self) -> None:
        self._began = self._calls = self._total = self._busiest = 0
        self._dropped = False

    def add(self, started: int, now: int, in_flight: int, limit: float, *, dropped: bool) -> Sample | None:
        """What the round says, if this call completes it."""
        if started < self._began:
            return None
        self._calls += 1
        self._total += max(1, now - started)
        self._busiest = max(self._busiest, in_flight)
        self._dropped |= dropped
        if self._calls < max(SAMPLES, limit):
            return None
        sample = Sample(self._total / self._calls, 2 * self._busiest >= limit, self._dropped)
        self._began = now
        self._calls = self._total = self._busiest = 0
        self._dropped = False
        return sample
