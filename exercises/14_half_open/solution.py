"""The fix: half open hands out as many permits as it needs results, takes cancelled ones back, and ignores old news.

Why: a service that has just come back can do a few calls, so the number of probes *out* is bounded, not their rate. A
probe ends with a success, a failure, or without a result. The third gives its permit back: without that, clients that
leave use up all permits, and nobody is left to close or open the circuit. A permit knows the generation in which it was
given; a report from another generation tells of a service as it was before, and decides nothing.

What it costs: a counter and a number in each permit, and the discipline of reporting every permit once, also when the
caller is cancelled: `try/finally` around the call. Still missing, and in the package: a permit that is *never* reported
counts as failed after a minute, and the window of failures is a rate with a minimum volume, because five in a row never
happen in a service that fails half of its calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(slots=True, eq=False)
class Permit:
    """The right to one call. Whoever holds it reports how the call ended, or cancels it: once."""

    taken: int
    generation: int


class CircuitBreaker:
    """`now` is monotonic nanoseconds."""

    def __init__(self, *, failures: int = 5, open_for: int = 30_000_000_000, probes: int = 3) -> None:
        """Opens after so many failures in a row, for so long; closes after so many probes have succeeded."""
        self.state: Literal["closed", "open", "half open"] = "closed"
        self._failures = failures
        self._open_for = open_for
        self._probes = probes
        self._failed = self._succeeded = self._out = 0
        self._opened = 0
        self._generation = 0

    def acquire(self, now: int) -> Permit | None:
        """A permit for one call; None if the service is to be left alone."""
        if self.state == "open" and now >= self._opened + self._open_for:
            self._change("half open")
        if self.state == "open":
            return None
        if self.state == "half open":
            if self._out + self._succeeded >= self._probes:
                return None
            self._out += 1
        return Permit(now, self._generation)

    def report(self, permit: Permit, succeeded: bool, now: int) -> None:
        """The call ended."""
        if permit.generation != self._generation:
            return
        if self.state == "closed":
            self._failed = 0 if succeeded else self._failed + 1
            if self._failed < self._failures:
                return
        elif succeeded:
            self._out -= 1
            self._succeeded += 1
            if self._succeeded == self._probes:
                self._change("closed")
            return
        self._opened = now
        self._change("open")

    def cancel(self, permit: Permit) -> None:
        """There was no result: the caller left before there was one."""
        if permit.generation == self._generation and self.state == "half open":
            self._out -= 1

    def _change(self, state: Literal["closed", "open", "half open"]) -> None:
        self.state = state
        self._failed = self._succeeded = self._out = 0
        self._generation += 1
