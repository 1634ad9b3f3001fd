"""Endpoint: one instance of a service, and what the gateway knows about it.

Rule: counts change here and nowhere else. `in_flight` is raised when a request is sent and lowered
when its response is finished or discarded; balancers read it, `/services` shows it.
"""

from __future__ import annotations


class Endpoint:
    """One address that answers for a service."""

    __slots__ = ("failures", "in_flight", "requests", "url", "weight")

    def __init__(self, url: str, weight: int = 1) -> None:
        """`weight` is its share of the traffic, relative to its siblings."""
        if weight < 1:
            raise ValueError(f"weight of {url} must be at least 1, not {weight}")
        self.url = url
        self.weight = weight
        self.in_flight = 0
        self.requests = 0
        self.failures = 0

    def acquire(self) -> None:
        """One more request is under way."""
        self.in_flight += 1
        self.requests += 1

    def release(self) -> None:
        """One request is over, whatever its outcome."""
        self.in_flight -= 1

    def __repr__(self) -> str:
        return f"<Endpoint {self.url} in_flight={self.in_flight}>"
