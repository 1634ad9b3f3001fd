"""Concurrency: not how many per second, but how many at once.

Rule: admit while fewer than L are in flight; who was admitted gives its place back when it is done.

Bound: L in flight, whatever happens. No bound on the rate: by Little's law the throughput is L / service
time, so it falls by itself when the service becomes slow. That is what a rate limit cannot do, and why
both are used: a rate limit is a promise to clients, this one protects the service.
Memory: one number for each key with anything in flight, nothing for the others.
Cost: O(1).

What it does not do: queue, or notice that a holder has died. Whoever acquires must release, also when
cancelled; a response's `on_close` is the place for it.

Source: J. Little, "A proof for the queuing formula L = lambda W", Operations Research 9(3), 1961; Stripe's
concurrent requests limiter, 2017.
"""

from __future__ import annotations

from collections.abc import Callable

from api_gateway.rate_limiting.rate_limiter import Decision, new_decision


class Concurrency:
    """At most `limit` in flight for each key."""

    __slots__ = ("_in_flight", "limit")

    def __init__(self, limit: int) -> None:
        """Start with nothing in flight.

        Raises:
            ValueError: `limit` is less than 1.
        """
        if limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit}")
        self.limit = limit
        self._in_flight: dict[str, int] = {}

    def __len__(self) -> int:
        """How many keys have anything in flight."""
        return len(self._in_flight)

    def in_flight(self, key: str) -> int:
        """What `key` holds now."""
        return self._in_flight.get(key, 0)

    def acquire(self, key: str, now: int = 0, cost: int = 1) -> Decision:
        """Take `cost` places; time does not matter.

        When refused, `retry_after` is 0: a place may come free at any moment, and nobody knows when.
        `reset_after` is 0 for the same reason.

        Raises:
            ValueError: the cost is negative.
        """
        if cost < 0:
            raise ValueError(f"cost must not be negative, is {cost}")
        limit = self.limit
        held = self._in_flight.get(key, 0)
        left = limit - held - cost
        if left < 0:
            return new_decision((False, limit, limit - held, 0, 0 if cost <= limit else None, 0))
        if cost:
            self._in_flight[key] = held + cost
        return new_decision((True, limit, left, 0, None, 0))

    def reserve(self, key: str, now: int = 0, cost: int = 1) -> tuple[Decision, Callable[[], None]]:
        """As `acquire`, and a function that makes it undone; to be called at most once."""
        decision = self.acquire(key, now, cost)

        def undo() -> None:
            if decision.allowed:
                self.release(key, cost)

        return decision, undo

    def release(self, key: str, cost: int = 1) -> None:
        """Give back what was acquired.

        Raises:
            ValueError: the cost is negative, or more than `key` holds: released twice, or never acquired.
        """
        held = self._in_flight.get(key, 0)
        if not 0 <= cost <= held:
            raise ValueError(f"cannot release {cost} of {key!r}, which holds {held}")
        if held > cost:
            self._in_flight[key] = held - cost
        else:
            self._in_flight.pop(key, None)
