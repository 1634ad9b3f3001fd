"""Slow start: an endpoint that is new, or comes back, gets its share of the traffic little by little.

Rule: at age t it is given max(minimum, (t / window)^(1 / aggression)) of what the balancer would give it. It is done
by thinning: the balancer chooses as always, and a choice that falls on a warming endpoint is kept with that
probability, else somebody else is chosen (`careful_choice.py`). So it works for every balancer.

    aggression 1     a straight line from 10 % (`minimum`) to the whole
    aggression 2     faster at first: half after a quarter of the window
    aggression 0.5   slower at first: a quarter after half of the window

Bound: exact for balancers that go by turns or draws. One that goes by load offers an idle endpoint more often than
its share, and then the thinning holds it to that part of all requests at most. With consistent hash the keys
that it is not given yet are spread over all others, whose caches see strangers for that time.
Cost: a draw for each choice of a warming endpoint; nothing once all are warm.

When everybody warms up at once nobody has less than his share. Those that are there from the beginning count as warm.

What it does not do: warm up anything. It keeps a cold cache, a cold compiler, an empty pool from being overrun.

Source: Envoy's slow start mode; HAProxy's `slowstart`; nginx plus `slow_start`.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from api_gateway.backend.endpoint import Endpoint
from api_gateway.core.clock import NANOSECONDS


@dataclass(frozen=True, slots=True)
class SlowStart:
    """How fast an endpoint comes to its share."""

    window: float
    """Seconds until it has the whole."""
    aggression: float = 1.0
    """Above 1 it grows faster at first, below 1 slower."""
    minimum: float = 0.1
    """The share it has from its first moment on; more than 0, or it would never show that it works."""

    def __post_init__(self) -> None:
        if not (self.window > 0 and self.aggression > 0 and 0 < self.minimum <= 1):
            raise ValueError(f"not a slow start: {self}")

    def share(self, age: int) -> float:
        """What an endpoint gets of its share, `age` nanoseconds after it came: `minimum` to 1."""
        passed = max(0.0, min(1.0, age / (self.window * NANOSECONDS)))
        return float(max(self.minimum, passed ** (1 / self.aggression)))


class WarmingEndpoints:
    """Who is warming up, and since when."""

    __slots__ = ("_random", "_since", "_slow_start", "_window")

    def __init__(self, slow_start: SlowStart, random: Random) -> None:
        """Nobody is warming up yet; `random` draws who is kept."""
        self._slow_start = slow_start
        self._random = random
        self._window = round(slow_start.window * NANOSECONDS)
        self._since: dict[Endpoint, int] = {}

    def begin(self, endpoint: Endpoint, now: int) -> None:
        """It is in use from now on."""
        self._since[endpoint] = now

    def end(self, endpoint: Endpoint) -> None:
        """It is not in use any more."""
        self._since.pop(endpoint, None)

    def refresh(self, now: int) -> None:
        """Forget whoever is warm."""
        for endpoint in [each for each, since in self._since.items() if now - since >= self._window]:
            del self._since[endpoint]

    def admits(self, endpoint: Endpoint, now: int) -> bool:
        """Whether a choice of it is kept."""
        since = self._since.get(endpoint)
        return since is None or self._random.random() < self._slow_start.share(now - since)

    def share(self, endpoint: Endpoint, now: int) -> float:
        """What it gets of its share now."""
        since = self._since.get(endpoint)
        return 1.0 if since is None else self._slow_start.share(now - since)

    def __len__(self) -> int:
        return len(self._since)
