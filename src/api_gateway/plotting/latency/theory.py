"""Theory: formulas that stand beside what was simulated. Times are milliseconds unless said otherwise.

| question                                         | formula                                     |
|--------------------------------------------------|---------------------------------------------|
| the slowest of n exponential times, on average   | mean * (1 + 1/2 + ... + 1/n)                |
| does one call of n belong to the slowest 1 %     | 1 - 0.99^n                                  |
| one call takes longer than t                     | S1(t), here 0.99 e^(-t/5) + 0.01 (1 - t/1000) |
| and hedged after d                               | S(t) = S1(t) * S1(t - d)                    |
| what a percentile of n samples may say           | the order statistic's binomial law          |

What it does not do: queue. M/M/c is in `plotting/load_balancing/theory.py`.

Source: J. Dean and L. Barroso, "The tail at scale", CACM 56(2), 2013; H. David and H. Nagaraja, "Order
statistics", 2003, section 2.1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

Survival: TypeAlias = Callable[[float], float]
"""The share of requests that take longer than so many milliseconds."""

LONGEST = 1e6


def slowest_of_exponentials(count: int) -> float:
    """The mean of the slowest of so many, in means of one: the harmonic number."""
    return math.fsum(1 / number for number in range(1, count + 1))


def meets_a_slow_one(count: int, share: float = 0.01) -> float:
    """The probability that of so many calls at least one is of the slowest `share`."""
    return 1.0 - (1.0 - share) ** count


def exponential(mean: float) -> Survival:
    """Without memory."""
    return lambda time: math.exp(-max(0.0, time) / mean)


def lognormal(median: float, sigma: float) -> Survival:
    """The logarithm is normal, with standard deviation `sigma`."""
    return lambda time: 0.5 * math.erfc(math.log(max(time, 1e-12) / median) / (sigma * math.sqrt(2)))


def mixture(parts: Sequence[tuple[float, Survival]]) -> Survival:
    """Of several kinds of requests, with their shares."""
    return lambda time: math.fsum(share * survival(time) for share, survival in parts)


def uniform(longest: float) -> Survival:
    """Anything from nothing to `longest`, one as likely as another."""
    return lambda time: min(1.0, max(0.0, 1 - time / longest))


def hedged(survival: Survival, after: float) -> Survival:
    """A second call `after` the first, if that has not ended: both must be late."""
    return lambda time: survival(time) if time < after else survival(time) * survival(time - after)


def quantile(survival: Survival, share: float) -> float:
    """The time that `share` of the requests do not exceed."""
    low, high = 0.0, LONGEST
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if survival(middle) > 1 - share else (low, middle)
    return high


def percentile(ascending: Sequence[float], share: float) -> float:
    """The least value that `share` of them do not exceed."""
    return ascending[max(0, math.ceil(share * len(ascending) - 1e-9) - 1)]


def what_samples_say(survival: Survival, share: float, count: int, sure: float = 0.95) -> tuple[float, float]:
    """Between which times `percentile` of so many samples is, with probability `sure`.

    The percentile is at most t if no more samples than `above` exceed t: a binomial law.
    """
    above = count - max(1, math.ceil(share * count - 1e-9))

    def at_most(time: float) -> float:
        return _binomial_at_most(above, count, survival(time))

    def time_of(probability: float) -> float:
        low, high = 0.0, LONGEST
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if at_most(middle) < probability else (low, middle)
        return high

    return time_of((1 - sure) / 2), time_of((1 + sure) / 2)


def _binomial_at_most(most: int, count: int, probability: float) -> float:
    if probability <= 0 or probability >= 1:
        return float(probability <= 0)
    yes, no, total = math.log(probability), math.log1p(-probability), 0.0
    for number in range(most + 1):
        ways = math.lgamma(count + 1) - math.lgamma(number + 1) - math.lgamma(count - number + 1)
        total += math.exp(ways + number * yes + (count - number) * no)
    return min(1.0, total)
