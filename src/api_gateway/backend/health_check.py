"""Health check: what is asked of an endpoint, and what follows from its answers. Pure.

Rule: `unhealthy_after` failed checks in a row make an endpoint unhealthy, `healthy_after` passed ones in a row make it
healthy again. One result the other way starts the count anew, so a single lost packet changes nothing.

    healthy   --[ unhealthy_after failures in a row, or the very first result fails ]-->  unhealthy
    unhealthy --[ healthy_after successes in a row ]------------------------------------>  healthy

At the start an endpoint is usable until the first check, which is sent at once, says otherwise; that one result is
believed without waiting for others. HAProxy does the same. Envoy's way, not usable until a check has passed, makes a
gateway that has just started refuse everything; and what a check would show, requests show as well.

Bound: an endpoint that dies is out after unhealthy_after * interval + timeout at most (jitter aside), one that comes
back is in use after (healthy_after + 1) * interval at most. Checks never stop for an unhealthy one: recovery needs
no request and no operator.

What it does not do: ask (`health_checker.py`).

Source: HAProxy's `rise` and `fall`; Envoy's thresholds.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

OK = frozenset(range(200, 300))
"""The statuses of a passed check unless others are given. A redirect, perhaps to a login page, is no sign of health."""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How the endpoints of a service are checked."""

    path: str
    """Asked with GET, behind the endpoint's base path; may have a query."""
    interval: float = 5.0
    """Seconds from one check of an endpoint to the next."""
    timeout: float = 1.0
    """Seconds for a whole check: connection, head and body."""
    unhealthy_after: int = 2
    """Failures in a row."""
    healthy_after: int = 2
    """Successes in a row."""
    expected_status: Set[int] = OK
    host: str = ""
    """The `Host` to send; the endpoint's own authority if empty."""
    jitter: float = 0.1
    """Each interval is longer or shorter by up to this share, so that many gateways do not ask in step."""

    def __post_init__(self) -> None:
        if not self.path.startswith("/") or not self.path.isascii() or not self.path.isprintable() or " " in self.path:
            raise ValueError(f"not a path to check: {self.path!r}")
        if not 0 < self.timeout <= self.interval or not 0 <= self.jitter < 1:
            raise ValueError(f"a check must end before the next begins: {self}")
        if self.unhealthy_after < 1 or self.healthy_after < 1:
            raise ValueError(f"a threshold must be at least 1: {self}")


class CheckResults:
    """The results for one endpoint, and what they amount to."""

    __slots__ = ("_check", "_first", "healthy", "in_a_row")

    def __init__(self, check: HealthCheck) -> None:
        """Healthy until something else is known."""
        self._check = check
        self._first = True
        self.healthy = True
        self.in_a_row = 0
        """How many of the last results spoke against the present state."""

    def record(self, *, passed: bool) -> bool:
        """Take in a result. Returns whether the endpoint has become healthy, or unhealthy, by it."""
        first, self._first = self._first, False
        if passed == self.healthy:
            self.in_a_row = 0
            return False
        self.in_a_row += 1
        needed = self._check.unhealthy_after if self.healthy else self._check.healthy_after
        if self.in_a_row < needed and not first:
            return False
        self.healthy = passed
        self.in_a_row = 0
        return True
