"""A service of so many workers behind an adaptive limit, under more load than it can take; in virtual time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from api_gateway.resilience.adaptive_limit import AdaptiveLimit

SECOND = 1_000_000_000


@dataclass
class Outcome:
    """What became of the calls."""

    rate: float
    """Answers a second."""
    median: float
    """Seconds."""
    limits: list[int] = field(default_factory=list)
    """At each arrival."""


def overload(
    limit: AdaptiveLimit | None,
    takes: Callable[[Random], float],
    *,
    seconds: int = 60,
    offered: int = 800,
    workers: Callable[[float], int] | None = None,
    seed: int = 1,
) -> Outcome:
    """Poisson arrivals at `offered` a second; 20 workers, or as many as `workers` says at a time; both in seconds."""
    random = Random(seed)
    free = [0] * 20
    ends: list[tuple[int, int, int]] = []
    durations: list[int] = []
    limits: list[int] = []
    now = number = 0
    while now < seconds * SECOND:
        now += round(random.expovariate(offered) * SECOND)
        number += 1
        while ends and ends[0][0] <= now:
            end, _, started = heapq.heappop(ends)
            durations.append(end - started)
            if limit is not None:
                limit.record(started, end, len(ends) + 1)
        if limit is not None:
            limits.append(limit.limit)
        if limit is None or len(ends) < limit.limit:
            while workers is not None and len(free) > workers(now / SECOND):
                heapq.heappop(free)
            end = max(now, heapq.heappop(free)) + round(takes(random) * SECOND)
            heapq.heappush(free, end)
            heapq.heappush(ends, (end, number, now))
    return Outcome(len(durations) / seconds, sorted(durations)[len(durations) // 2] / SECOND, limits)
