"""Expiry queue: what must happen if something is not over in time, for all requests under one timer of the event loop.

Rule: a middleware gives every request the same time, so what it waits for falls due in the order in which it
is added. Each joins the end of the queue, and the loop's only timer stands at its front. One that falls due
before one that was added before it would break the order; it gets a timer of its own.

Cost: O(1), an entry in a dictionary. A timer of the event loop, set and cancelled for each request,
costs five times as much, and nearly every one is cancelled.

Time here is a `Clock`'s, and not the event loop's: uvloop looks at its own once a turn, to the millisecond, and
requests of one turn would seem to fall due in no order.

What it does not do: outlive its event loop.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from api_gateway.core.clock import NANOSECONDS, Clock


class Expiring(Protocol):
    """What has a time to be over in, such as a request before its deadline."""

    def expire(self) -> None:
        """The time has passed, and nobody has discarded it."""
        ...


class ExpiryQueue:
    """What expires on one event loop."""

    __slots__ = ("_clock", "_hurried", "_latest", "_pending", "_timer", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self.loop = loop
        self._clock = clock
        self._pending: dict[Expiring, int] = {}  # in the order in which they fall due
        self._hurried: dict[Expiring, asyncio.TimerHandle] = {}
        self._latest = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._pending) + len(self._hurried)

    def add(self, expiring: Expiring, due: int) -> None:
        """Let it expire at `due`, monotonic nanoseconds, unless it is discarded before."""
        if due < self._latest:
            self._hurried[expiring] = self.loop.call_later(self._seconds_to(due), self._expire_hurried, expiring)
            return
        self._latest = due
        self._pending[expiring] = due
        if self._timer is None:
            self._timer = self.loop.call_later(self._seconds_to(due), self._wake)

    def discard(self, expiring: Expiring) -> None:
        """Whether it has expired or not, that does not matter any more."""
        if self._pending.pop(expiring, None) is None and expiring in self._hurried:
            self._hurried.pop(expiring).cancel()

    def _seconds_to(self, due: int) -> float:
        return (due - self._clock.monotonic()) / NANOSECONDS

    def _expire_hurried(self, expiring: Expiring) -> None:
        del self._hurried[expiring]
        expiring.expire()

    def _wake(self) -> None:
        now = self._clock.monotonic()
        self._timer = None
        while self._pending:
            first, due = next(iter(self._pending.items()))
            if due > now:  # the one that the timer was for is gone, or a loop's timer is early by less than its tick
                self._timer = self.loop.call_later(self._seconds_to(due), self._wake)
                return
            del self._pending[first]
            first.expire()
