"""Healthy endpoints: who of a service may be chosen, decided when something changes, never per request.

Rule: an endpoint is healthy unless something says otherwise: checks that failed (`check`), or an ejection that is
not over (`outlier`); healthy again when neither does. Balancers get the healthy ones as a tuple that stays the same
object until its members change, because they keep their own structures by it.

Panic: when less than `panic_threshold` of all endpoints are healthy, all are used. So few could not carry the traffic
of all, and so many "dead" more often mean a wrong check or a broken network than dead services.

| endpoints | healthy | threshold 0.5   | threshold 0 (panic is off) |
|-----------|---------|-----------------|----------------------------|
| 2         | 1       | the healthy one | the healthy one            |
| 3         | 1       | all             | the healthy one            |
| any       | 0       | all             | nobody: NoHealthyEndpoint  |

Bound: with panic, somebody is usable as long as there is an endpoint at all, so recovery never depends on checks.
Cost: O(n) a change. For requests one flag, `settled`: while it holds, `usable` is right as it is. It does not
while time alone may change something: an ejection that ends, an endpoint that warms up. Then `refresh` first.

What it does not do: find out (`health_checker.py`, `outlier_detection.py`), hold a clock, or set timers: an ejection
ends at its very nanosecond, because whoever chooses looks at the time (`careful_choice.py`).

Source: Envoy's panic threshold.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from random import Random
from typing import Literal, NamedTuple, TypeAlias

from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.slow_start import SlowStart, WarmingEndpoints
from api_gateway.resilience.share import Share

Cause: TypeAlias = Literal["check", "outlier"]
"""Who says that an endpoint is not healthy."""

State: TypeAlias = Literal["healthy", "warming", "ejected", "unhealthy"]
"""`warming` gets less than its share; `ejected` for a time, by its answers; `unhealthy` until checks pass."""

PANIC_THRESHOLD = 0.5
"""Share of healthy endpoints below which all are used."""

_NEVER = 2**63
_log = logging.getLogger("api_gateway.health")


class EndpointHealth(NamedTuple):
    """How an endpoint is, for people."""

    state: State
    why: str
    """Empty for a healthy one."""


class HealthyEndpoints:
    """The endpoints of one service, and who of them is usable."""

    __slots__ = (
        "_causes",
        "_next_return",
        "_returns",
        "_threshold",
        "_warming",
        "ejections",
        "healthy",
        "members",
        "name",
        "panicking",
        "settled",
        "usable",
    )

    members: tuple[Endpoint, ...]
    """All of them. Another object when they change."""
    usable: tuple[Endpoint, ...]
    """Those to choose from. Another object when they change, and only then."""
    healthy: int
    """How many members are."""
    ejections: int
    """How often a member has been ejected so far."""
    panicking: bool
    """Whether all are used because so few are healthy."""
    settled: bool
    """Whether `usable` has somebody, and time alone changes nothing."""

    def __init__(
        self,
        name: str,
        members: Sequence[Endpoint],
        *,
        panic_threshold: float = PANIC_THRESHOLD,
        slow_start: SlowStart | None = None,
        random: Random | None = None,
    ) -> None:
        """All are healthy, and warm.

        Args:
            name: the service's, for the log.
            members: all of its endpoints.
            panic_threshold: the share below which all are used, 0 to 1; 0 never.
            slow_start: how endpoints that come later, or come back, get their share; None for at once.
            random: draws for slow start.

        Raises:
            ValueError: the threshold is not a share.
        """
        self.name = name
        self._threshold = Share.of("panic_threshold", panic_threshold) if panic_threshold else None
        self._warming = WarmingEndpoints(slow_start, random or Random()) if slow_start else None
        self._causes: dict[Endpoint, dict[Cause, str]] = {}
        self._returns: dict[Endpoint, int] = {}
        self._next_return = _NEVER
        self.members = self.usable = tuple(members)
        self.healthy = len(self.members)
        self.ejections = 0
        self.panicking = False
        self.settled = bool(self.members)

    @property
    def ejected(self) -> int:
        """How many members are ejected."""
        return len(self._returns)

    def is_healthy(self, endpoint: Endpoint) -> bool:
        """Whether nothing is known against it; as of the last `refresh`."""
        return endpoint not in self._causes

    def health(self, endpoint: Endpoint, now: int) -> EndpointHealth:
        """How a member is now, and why."""
        self.refresh(now)
        causes = self._causes.get(endpoint)
        if causes:
            return EndpointHealth("unhealthy" if "check" in causes else "ejected", "; ".join(causes.values()))
        share = self._warming.share(endpoint, now) if self._warming is not None else 1.0
        if share < 1:
            return EndpointHealth("warming", f"slow start, at {share:.0%} of its share")
        return EndpointHealth("healthy", "")

    def healthy_urls(self, now: int) -> Mapping[str, bool]:
        """For each member whether it is healthy now."""
        self.refresh(now)
        return {endpoint.url: self.is_healthy(endpoint) for endpoint in self.members}

    def change_members(self, members: Sequence[Endpoint], now: int) -> None:
        """These and no others from now on. Who stays keeps what is known of it: pass the same objects."""
        before, self.members = self.members, tuple(members)
        for endpoint in set(before).difference(self.members):
            self._causes.pop(endpoint, None)
            self._returns.pop(endpoint, None)
            if self._warming is not None:
                self._warming.end(endpoint)
        if self._warming is not None:
            for endpoint in set(self.members).difference(before):
                self._warming.begin(endpoint, now)
        self._decide()

    def take_out(self, endpoint: Endpoint, cause: Cause, why: str, until: int | None = None) -> None:
        """Something says that it is not healthy; until a moment, or until `bring_back`."""
        if endpoint not in self.members:
            return
        self._causes.setdefault(endpoint, {})[cause] = why
        if until is not None:
            self._returns[endpoint] = until
            self.ejections += 1
        if self._warming is not None:
            self._warming.end(endpoint)
        _log.warning("service %s: endpoint %s is taken out: %s", self.name, endpoint.url, why)
        self._decide()

    def bring_back(self, endpoint: Endpoint, cause: Cause, now: int) -> None:
        """That is over."""
        causes = self._causes.get(endpoint)
        if causes is None or causes.pop(cause, None) is None:
            return
        if cause == "outlier":
            self._returns.pop(endpoint, None)
        if not causes:
            del self._causes[endpoint]
            if self._warming is not None:
                self._warming.begin(endpoint, now)
            _log.info("service %s: endpoint %s is back", self.name, endpoint.url)
        self._decide()

    def refresh(self, now: int) -> Sequence[Endpoint]:
        """Let time do its part: ejections end, endpoints become warm. Returns who is usable."""
        if now >= self._next_return:
            for endpoint in [each for each, until in self._returns.items() if now >= until]:
                self.bring_back(endpoint, "outlier", now)
        if self._warming:
            self._warming.refresh(now)
            self._settle()
        return self.usable

    def admits(self, endpoint: Endpoint, now: int) -> bool:
        """Whether slow start lets a choice of it be."""
        return self._warming is None or self._warming.admits(endpoint, now)

    def _decide(self) -> None:
        healthy = tuple([endpoint for endpoint in self.members if endpoint not in self._causes])
        self.healthy = len(healthy)
        panic = self._threshold is not None and not self._threshold.reached_by(self.healthy, len(self.members))
        if panic != self.panicking:
            self.panicking = panic
            about = "panic, all are used" if panic else "panic is over"
            _log.warning("service %s: %d of %d healthy: %s", self.name, self.healthy, len(self.members), about)
        chosen = self.members if panic or self.healthy == len(self.members) else healthy
        if chosen != self.usable:
            self.usable = chosen
        self._next_return = min(self._returns.values(), default=_NEVER)
        self._settle()

    def _settle(self) -> None:
        self.settled = bool(self.usable) and not self._returns and not self._warming
