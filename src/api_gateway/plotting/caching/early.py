"""Early refresh: when somebody fetches a page anew before its end, how many do, and who waits nevertheless.

Requests come at random, `rate` a second; the page takes `takes` seconds to make. Each draws, as in
`caching/early_refresh.py`, and that function is what is called here. With `remaining` r before the end, a request
begins a refresh with probability e^(-r / (beta takes)). So refreshes begin at a rate that grows exponentially, and with
k = rate * beta * takes, which is how many draws count:

| question                                            | answer                                                    |
|-----------------------------------------------------|-----------------------------------------------------------|
| the first begins earlier than r before the end      | 1 - exp(-k e^(-r / (beta takes))), a Gumbel distribution  |
| on average                                          | beta takes (ln k + 0.577) before the end                  |
| it is not back in time: it begins less than `takes` | exp(-k e^(-1 / beta))                                     |
| how many begin, where none knows of another         | geometric with p = e^(-1 / beta), so e^(1 / beta) on average |

The last: what the first one has drawn, k e^(-r / (beta takes)), is exponential with mean 1, however fast requests come.
In the `takes` until its answer is there the rate grows by e^(1 / beta), so e^(1 / beta) - 1 times as many draws
succeed: a Poisson number whose mean is exponential, which is geometric. It counts only those who begin before the
first answer is back, and needs requests often enough: k far greater than 1.

What it does not do: share a flight. One gateway makes one refresh of them; this is about gateways that share a store.

Source: A. Vattani, F. Chierichetti, K. Lowenstein, "Optimal probabilistic cache stampede prevention", VLDB 2015.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from random import Random

from api_gateway.caching.early_refresh import refreshes_early

EULER = 0.5772156649015329

_FARTHEST = 14  # efforts times beta before the end; earlier refreshes are one in a million draws


def _refreshes(beta: float, rate: float, takes: float, random: Random) -> Iterator[float]:
    """Seconds before the end of each request that begins a refresh, negative after it, where none knows of another."""
    remaining = _FARTHEST * beta * takes
    while True:
        remaining -= random.expovariate(rate)
        if refreshes_early(remaining, takes, beta, random):
            yield remaining


def first_refreshes(beta: float, rate: float, takes: float, rounds: int = 1000, seed: int = 1) -> list[float]:
    """Seconds before the end at which the first refresh began, the last to begin first; negative is too late."""
    random = Random(f"first {beta} {rate} {seed}")
    return sorted(next(_refreshes(beta, rate, takes, random)) for _ in range(rounds))


def how_many(beta: float, rate: float, takes: float, rounds: int = 1000, seed: int = 1) -> Counter[int]:
    """How often so many began a refresh before the first of them was back; `beta` 0 is without early refreshes."""
    random = Random(f"many {beta} {rate} {seed}")
    counts: Counter[int] = Counter()
    for _ in range(rounds):
        refreshes = _refreshes(beta, rate, takes, random)
        first = next(refreshes)
        count = 1
        while first - next(refreshes) < takes:
            count += 1
        counts[count] += 1
    return counts


def mean_of(counts: Mapping[int, int]) -> float:
    """The average of what was counted."""
    return sum(value * times for value, times in counts.items()) / sum(counts.values())


def begins_before(remaining: float, beta: float, rate: float, takes: float) -> float:
    """The probability that a refresh has begun by so many seconds before the end."""
    scale = beta * takes
    return -math.expm1(-rate * scale * math.exp(-remaining / scale))


def mean_begin(beta: float, rate: float, takes: float) -> float:
    """Seconds before the end, on average."""
    return beta * takes * (math.log(rate * beta * takes) + EULER)


def too_late(beta: float, per_effort: float) -> float:
    """The probability that it is not back in time; `per_effort` requests come while a page is made."""
    return math.exp(-per_effort * beta * math.exp(-1 / beta))


def so_many(count: int, beta: float) -> float:
    """The probability that so many begin, where none knows of another."""
    alone = math.exp(-1 / beta)
    return alone * (1 - alone) ** (count - 1)
