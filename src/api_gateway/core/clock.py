"""Clock: the only place where the program asks what time it is.

Rule: *monotonic* time (integer nanoseconds, never goes back) measures durations and
deadlines; *wall* time (seconds since 1970) goes into logs, `Date` headers and token checks.
Mixing them is how a clock adjustment turns into an outage.

Every part that needs time is handed a `Clock`, so a test or a simulation hands it another one.
Integers keep arithmetic exact: a float of seconds loses nanoseconds after about 104 days.

What it does not do: sleep or set timers. The event loop does that.
"""

from __future__ import annotations

import time
from typing import Protocol

NANOSECONDS = 1_000_000_000
"""Nanoseconds in a second."""


class Clock(Protocol):
    """Tells the time; inject one instead of calling `time`."""

    def monotonic(self) -> int:
        """Nanoseconds since an arbitrary start; never decreases."""
        ...

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC; may jump when the machine's clock is set."""
        ...


class SystemClock:
    """The machine's own clock."""

    __slots__ = ()

    # Bound once as static methods: a Python-level wrapper would double the cost of a call.
    monotonic = staticmethod(time.monotonic_ns)
    wall = staticmethod(time.time)


class ManualClock:
    """A clock that stands still until told to move: for tests and for stepping through by hand."""

    __slots__ = ("_monotonic", "_wall")

    def __init__(self, monotonic: int = 0, wall: float = 0.0) -> None:
        """Start at `monotonic` nanoseconds and `wall` seconds since 1970."""
        self._monotonic = monotonic
        self._wall = wall

    def monotonic(self) -> int:
        """Nanoseconds, as last set."""
        return self._monotonic

    def wall(self) -> float:
        """Seconds since 1970, as last set."""
        return self._wall

    def advance(self, seconds: float) -> None:
        """Move both times forward by `seconds`, which must not be negative."""
        if seconds < 0:
            raise ValueError(f"a clock does not go back: {seconds}")
        self._monotonic += round(seconds * NANOSECONDS)
        self._wall += seconds
