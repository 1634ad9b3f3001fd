"""Restart back-off: how long to wait before a process that died is started again.

Rule: a process that lived for `STABLE` seconds or more is replaced at once; each one that died
sooner doubles the wait, from `FIRST` up to `LONGEST`.
Bound: a crash loop costs one start in `LONGEST` seconds in the long run.

What it does not do: give up. A cause that goes away (a full disk, a lost network) heals without hands.
"""

from __future__ import annotations

from api_gateway.core.clock import NANOSECONDS

FIRST = 0.1
LONGEST = 30.0
STABLE = 10.0


class RestartBackoff:
    """The waits for one process and its successors."""

    __slots__ = ("_early_deaths",)

    def __init__(self) -> None:
        self._early_deaths = 0

    def delay(self, lived: int) -> float:
        """Seconds to wait now that a process has died after `lived` nanoseconds."""
        if lived >= STABLE * NANOSECONDS:
            self._early_deaths = 0
            return 0.0
        self._early_deaths += 1
        return min(LONGEST, FIRST * 2.0 ** min(self._early_deaths - 1, 16))
