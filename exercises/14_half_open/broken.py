"""A circuit breaker by the picture in the book: closed, open, half open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(slots=True, eq=False)
class Permit:
    """The right to one call. Whoever holds it reports how the call ended, or cancels it: once."""

    taken: int


class CircuitBreaker:
    """`now` is monotonic nanoseconds."""

    def __init__(self, *, failures: int = 5, open_for: int = 30_000_000_000, probes: int = 3) -> None:
        """Opens after so many failures in a row, for so long; closes after so many probes have succeeded."""
        self.state: Literal["closed", "open", "half open"] = "closed"
        self._failures = failures
        self._open_for = open_for
        self._probes = probes
        self._failed = 0
        self._opened = 0

    def acquire(self, now: int) -> Permit | None:
        """A permit for one call; None if the service is to be left alone."""
        if self.state == "open" and now >= self._opened + self._open_for:
            self.state = "half open"
        if self.state == "open":
            return None
        return Permit(now)

    def report(self, permit: Permit, succeeded: bool, now: int) -> None:
        """The call ended."""
        if succeeded:
            self.state = "closed"
            self._failed = 0
            return
        self._failed += 1
        if self._failed >= self._failures:
            self.state = "open"
            self._opened = now

    def cancel(self, permit: Permit) -> None:
        """There was no result: the caller left before there was one."""
