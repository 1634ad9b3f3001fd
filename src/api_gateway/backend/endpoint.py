"""Endpoint: one instance of a service, and what the gateway knows about it.

Rule: counts change here and nowhere else. `in_flight` is raised when a request is sent and lowered
when its response is finished or discarded; balancers read it, `/services` shows it. A balancer that
orders endpoints by their load is told of every change, because it cannot look at all of them for
every choice.

Cost: without a watcher, one look at an empty tuple for each change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

Watcher: TypeAlias = Callable[["Endpoint", int], None]
"""Told of an endpoint after its `in_flight` has changed, and by how much: 1 or -1."""


class Endpoint:
    """One address that answers for a service."""

    __slots__ = ("__weakref__", "_watchers", "failures", "in_flight", "requests", "url", "weight")

    def __init__(self, url: str, weight: int = 1) -> None:
        """`weight` is its share of the traffic, relative to its siblings."""
        if weight < 1:
            raise ValueError(f"weight of {url} must be at least 1, not {weight}")
        self.url = url
        self.weight = weight
        self.in_flight = 0
        self.requests = 0
        self.failures = 0
        self._watchers: tuple[Watcher, ...] = ()

    def acquire(self) -> None:
        """One more request is under way."""
        self.in_flight += 1
        self.requests += 1
        if self._watchers:
            self._tell(1)

    def release(self) -> None:
        """One request is over, whatever its outcome."""
        self.in_flight -= 1
        if self._watchers:
            self._tell(-1)

    def watch(self, watcher: Watcher) -> None:
        """Tell `watcher` of every change of `in_flight`, from now on."""
        self._watchers = (*self._watchers, watcher)

    def unwatch(self, watcher: Watcher) -> None:
        """Do not tell `watcher` any more."""
        self._watchers = tuple(other for other in self._watchers if other != watcher)

    def _tell(self, change: int) -> None:
        for watcher in self._watchers:
            watcher(self, change)

    def __repr__(self) -> str:
        return f"<Endpoint {self.url} in_flight={self.in_flight}>"


def watch_instead(watcher: Watcher, before: Iterable[Endpoint], after: Iterable[Endpoint]) -> None:
    """Let `watcher` watch the endpoints `after`, and those `before` no more."""
    for endpoint in before:
        endpoint.unwatch(watcher)
    for endpoint in after:
        endpoint.watch(watcher)
