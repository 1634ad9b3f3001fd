"""Event-loop lag: how long the gateway's own work waits, measured where it waits.

Rule: a timer is set for each `EVERY` seconds. How much later than due it runs is what everything else waits, too,
because the event loop is the gateway's only worker. A timer that is due and has not run yet is late already, and
counts from that moment. The *standing* lag is the lesser of the last two: one long step, such as a garbage
collection, makes one timer late and is over; more work than can be done makes every one late.

Bound: a lag that stands is seen in the third turn of the loop, while that goes on. What is told is the length of a turn
less EVERY at least, and two turns at most: a timer runs behind the work that is ready with it.
Cost: 50 timers a second while there are requests, none soon after the last; 0.5 us to ask.

What it does not do: see what waits in the kernel, in sockets nobody has read. Under virtual time a loop is never
late, unless something in it makes time pass.

Source: K. Nichols and V. Jacobson, "Controlling queue delay" (CoDel), ACM Queue 10(5), 2012: the standing queue.
"""

from __future__ import annotations

import asyncio

EVERY = 0.02
"""Seconds between two timers."""

_REST_AFTER = 5  # timers since anybody asked


class EventLoopLag:
    """The standing lag of the loop in which it is asked; one loop at a time."""

    __slots__ = ("_before", "_due", "_last", "_loop", "_unasked")

    def __init__(self) -> None:
        """Measure nothing, until asked."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._due = self._last = self._before = 0.0
        self._unasked = 0

    def seconds(self) -> float:
        """The standing lag, in seconds. Keeps the measurement going."""
        loop = self._loop
        if loop is None or loop.is_closed():
            self._start(asyncio.get_running_loop())
            return 0.0
        self._unasked = 0
        overdue = loop.time() - self._due
        return min(self._last, overdue if overdue > 0 else self._before)

    def look(self) -> float:
        """The same, without beginning a measurement, or keeping one going."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return 0.0
        overdue = loop.time() - self._due
        return min(self._last, overdue if overdue > 0 else self._before)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._last = self._before = 0.0
        self._unasked = 0
        self._set_timer(loop)

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due = loop.time() + EVERY
        loop.call_at(self._due, self._ran, loop)

    def _ran(self, loop: asyncio.AbstractEventLoop) -> None:
        self._before, self._last = self._last, max(0.0, loop.time() - self._due)
        self._unasked += 1
        if self._unasked > _REST_AFTER:
            self._loop = None
        else:
            self._set_timer(loop)
