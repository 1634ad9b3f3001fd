"""Traffic: when requests come. A list of monotonic nanoseconds, in order.

Rule: a pattern is made of parts, and parts are merged; chance comes from a `random.Random` that is handed
in, so the same seed gives the same traffic on every machine.

What it does not do: react. Real clients come back when they are refused; these do not, so every limiter
is asked exactly the same. (A client that reacts is a closed loop, and makes limiters hard to compare.)
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from api_gateway.rate_limiting.rate_limiter import NANOSECONDS


def steady(rate: float, start: float, end: float) -> list[int]:
    """`rate` requests per second, evenly, from `start` until before `end`, in seconds."""
    count = round((end - start) * rate)
    return [round((start + number / rate) * NANOSECONDS) for number in range(count)]


def burst(count: int, at: float, within: float = 0.0) -> list[int]:
    """`count` requests at second `at`, or evenly in the seconds `within` after it."""
    return [round((at + within * number / count) * NANOSECONDS) for number in range(count)]


def poisson(rate: float, seconds: float, chance: random.Random) -> list[int]:
    """Requests of many independent clients: `rate` per second on average, for so many seconds."""
    arrivals = []
    now = chance.expovariate(rate)
    while now < seconds:
        arrivals.append(round(now * NANOSECONDS))
        now += chance.expovariate(rate)
    return arrivals


def merged(*parts: Iterable[int]) -> list[int]:
    """All parts, in the order of time."""
    return sorted(now for part in parts for now in part)
