"""Service times: how long a worker is busy with one request.

    Constant(0.2)             always the same: batch jobs, a sleep in a demo
    Exponential(0.05)         no memory; what queueing theory can solve (M/M/c)
    LogNormal(0.05, 1.0)      a long tail, as most measured services have
    Bimodal(0.005, 0.5, 0.01) a cache: mostly hits, and some misses that cost a hundred times as much
    Stalling(Exponential(0.005), 1.0, 0.01)
                              as usual, but one in a hundred takes anything up to a second

Rule: an explicit object with an explicit `random.Random`, so the same seed draws the same times.
All are seconds.

What it does not do: change over time. A fault does (`fault.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import Protocol


class ServiceTime(Protocol):
    """A distribution of seconds."""

    @property
    def mean(self) -> float:
        """Seconds on average: capacity is workers / mean."""
        ...

    def draw(self, random: Random) -> float:
        """Seconds for the next request."""
        ...


@dataclass(frozen=True, slots=True)
class Constant:
    """Always `seconds`."""

    seconds: float

    @property
    def mean(self) -> float:
        """See `ServiceTime`."""
        return self.seconds

    def draw(self, random: Random) -> float:
        """See `ServiceTime`."""
        return self.seconds


@dataclass(frozen=True, slots=True)
class Exponential:
    """Without memory: however long it has taken, as much again is to be expected."""

    mean: float

    def draw(self, random: Random) -> float:
        """See `ServiceTime`."""
        return random.expovariate(1 / self.mean)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """The logarithm is normal, with standard deviation `sigma`: at 1.0 the p99 is ten times the median."""

    median: float
    sigma: float

    @property
    def mean(self) -> float:
        """See `ServiceTime`."""
        return self.median * math.exp(self.sigma**2 / 2)

    def draw(self, random: Random) -> float:
        """See `ServiceTime`."""
        return random.lognormvariate(math.log(self.median), self.sigma)


@dataclass(frozen=True, slots=True)
class Bimodal:
    """`fast`, but with probability `share` `slow`."""

    fast: float
    slow: float
    share: float

    @property
    def mean(self) -> float:
        """See `ServiceTime`."""
        return self.fast * (1 - self.share) + self.slow * self.share

    def draw(self, random: Random) -> float:
        """See `ServiceTime`."""
        return self.slow if random.random() < self.share else self.fast


@dataclass(frozen=True, slots=True)
class Stalling:
    """`usual`, but with probability `share` anything up to `longest`: garbage collection, a lock, a disk."""

    usual: ServiceTime
    longest: float
    share: float

    @property
    def mean(self) -> float:
        """See `ServiceTime`."""
        return self.usual.mean * (1 - self.share) + self.longest / 2 * self.share

    def draw(self, random: Random) -> float:
        """See `ServiceTime`."""
        return self.longest * random.random() if random.random() < self.share else self.usual.draw(random)
