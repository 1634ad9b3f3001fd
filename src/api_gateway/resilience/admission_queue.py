"""Admission queue: at most so many in flight, at most so many waiting, and who is next.

Rule: whoever finds a place free takes it. Otherwise it waits, if the queue has room. A place that comes free goes
to the highest class (`priority.py`), and within a class to whoever came first.

A full queue turns somebody away: the last comer of the lowest class, if that class is lower than the
newcomer's; else the newcomer. The last comer, because that leaves the same requests waiting as if the two
had come in the other order, and because it has waited least.

Starvation: of the grants, each `FAIR_TURN`-th goes to whoever has waited longest, whatever its class. Higher
classes can therefore make a lower one wait, or be refused, but not wait for ever.

Bound: `limit` in flight and `queue` waiting, always; nobody waits while a place is free. Who waits with k before
it in time is granted a place, or turned away, within FAIR_TURN * (k + 1) grants.
When the limit goes down, those in flight stay: it is kept again as soon as enough of them have left.
Memory: one entry for each that waits.
Cost: O(1) for each operation, whatever the length; also for one that leaves from the middle.

Why a bounded queue: a queue smooths bursts, and nothing else. One that is always full only adds its length to
every answer, and one without a bound adds more each second. The best length is that of a burst: as many as can
be served in a small part of the time that callers have.

What it does not do: wait, or wake anybody. Who waits is the caller's to say: anything that can be hashed.

Source: M. Nygard, "Release It!", 2007, ch. 5 (bulkheads); Google, "Site Reliability Engineering", 2016, ch. 22
(queue management).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from api_gateway.resilience.priority import Priority

FAIR_TURN = 10
"""Of so many grants, one goes by age alone."""

_T = TypeVar("_T", bound=Hashable)


class AdmissionQueue(Generic[_T]):
    """Places, and those who wait for one."""

    __slots__ = ("_arrivals", "_grants", "_lines", "in_flight", "limit", "queue", "queued")

    def __init__(self, limit: int, queue: int = 0) -> None:
        """All places are free. `limit` may be assigned later; grant afterwards.

        Raises:
            ValueError: `limit` is less than 1, or `queue` negative.
        """
        if limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit}")
        if queue < 0:
            raise ValueError(f"queue must not be negative, is {queue}")
        self.limit = limit
        self.queue = queue
        self.in_flight = 0
        self.queued = 0
        # A plain dict looks through all the gaps at its front to find the first entry; this one has links.
        self._lines: tuple[OrderedDict[_T, int], ...] = tuple(OrderedDict() for _ in Priority)
        self._arrivals = 0
        self._grants = 0

    def enter(self) -> bool:
        """Take a place, if one is free."""
        if self.in_flight >= self.limit:
            return False
        self.in_flight += 1
        return True

    def wait(self, who: _T, priority: Priority = Priority.DEFAULT) -> _T | None:
        """Let `who` wait for a place; who is turned away for it: `who` itself, another, or nobody."""
        turned_away: _T | None = None
        if self.queued >= self.queue:
            lowest = max((place for place, line in enumerate(self._lines) if line), default=-1)
            if lowest <= priority:
                return who
            turned_away, _ = self._lines[lowest].popitem(last=True)
            self.queued -= 1
        self._arrivals += 1
        self._lines[priority][who] = self._arrivals
        self.queued += 1
        return turned_away

    def leave(self, who: _T, priority: Priority = Priority.DEFAULT) -> bool:
        """Let `who` wait no longer; whether it did."""
        if self._lines[priority].pop(who, None) is None:
            return False
        self.queued -= 1
        return True

    def release(self) -> None:
        """Give a place back; grant afterwards.

        Raises:
            ValueError: nobody has one.
        """
        if self.in_flight < 1:
            raise ValueError("released more often than granted")
        self.in_flight -= 1

    def grant(self) -> _T | None:
        """Who of those waiting has a place now, if there is one free; ask until it is nobody."""
        if not self.queued or self.in_flight >= self.limit:
            return None
        waiting = [line for line in self._lines if line]
        self._grants += 1
        line = min(waiting, key=_oldest) if self._grants % FAIR_TURN == 0 else waiting[0]
        who, _ = line.popitem(last=False)
        self.queued -= 1
        self.in_flight += 1
        return who

    def ahead(self, priority: Priority) -> int:
        """How many of those waiting would be before a newcomer of this class; the fair turns aside."""
        return sum(len(line) for line in self._lines[: priority + 1])

    def __repr__(self) -> str:
        return f"<AdmissionQueue in_flight={self.in_flight}/{self.limit} queued={self.queued}/{self.queue}>"


def _oldest(line: OrderedDict[_T, int]) -> int:
    return next(iter(line.values()))
