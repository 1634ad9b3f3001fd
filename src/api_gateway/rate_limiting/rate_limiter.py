"""RateLimiter: the question (may this key do that now?), the answer, and what is promised.

Rule: time is an argument. `now` is monotonic integer nanoseconds, so arithmetic is exact, a
refusal can name the very nanosecond at which it ends, and a test or a simulation moves time by
hand. A limiter holds no clock and no lock, and never waits.

The words, which all algorithms share:

    limit N, period P   N requests per period on average; T = P / N is the time one request is worth
    burst b             how many may come at once
    cost c              how many requests this one counts for

What it does not do: know who is asking (the key is any string), or answer HTTP.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Protocol, Self

NANOSECONDS = 1_000_000_000
"""Nanoseconds in a second."""


class Decision(NamedTuple):
    """What a limiter says to one request. Durations are nanoseconds from the `now` that was asked for.

    A tuple, because one is made for every request; `new_decision` makes it fastest.
    """

    allowed: bool
    limit: int
    """The most that can be admitted at one instant: N of a window, the burst of a bucket."""
    remaining: int
    """The greatest cost that would be admitted now, after this decision."""
    reset_after: int
    """Until the key is as good as new, if it stays away."""
    retry_after: int | None
    """When refused, until the same request would be admitted, if the key stays away; None where that
    never happens, because it costs more than `limit`. None when admitted."""
    wait: int = 0
    """What a shaper asks the caller to hold the request for; 0 of everything else."""


new_decision: Callable[[tuple[bool, int, int, int, int | None, int]], Decision] = partial(tuple.__new__, Decision)
"""A decision from all its fields, in a third of the time of `Decision(...)`, whose constructor is a Python function."""


@dataclass(frozen=True, slots=True)
class Quota:
    """N per period, and a burst, in whole numbers.

    T = P / N is rarely whole: 90 a minute is one per 666,666,666 2/3 ns. Rounding it would lose or
    give away requests. So time is counted in *ticks*, just fine enough that T is whole: a nanosecond
    has `scale` ticks (3 in the example; 1 wherever T is whole in nanoseconds), and T is `interval`
    ticks. The scale is the smallest possible, because it keeps numbers within 60 bits, in which
    CPython stores them in 32 bytes.
    """

    limit: int
    period: int
    """Nanoseconds."""
    burst: int
    scale: int = field(init=False)
    """Ticks in a nanosecond."""
    interval: int = field(init=False)
    """Ticks that one request is worth: T."""

    def __post_init__(self) -> None:
        common = math.gcd(self.limit, self.period)
        object.__setattr__(self, "scale", self.limit // common)
        object.__setattr__(self, "interval", self.period // common)

    @classmethod
    def of(cls, limit: int, period: float, burst: int | None = None, *, least_burst: int = 1) -> Self:
        """From a count, seconds, and a count, which is `limit` unless given.

        Raises:
            ValueError: one of them is not a count, or the period not a duration, or too small.
        """
        if burst is None:
            burst = limit
        _check_count("limit", limit, 1)
        _check_count("burst", burst, least_burst)
        if not 0 < period < math.inf:
            raise ValueError(f"period must be a positive number of seconds, not {period!r}")
        nanoseconds = round(period * NANOSECONDS)
        if nanoseconds < 1:
            raise ValueError(f"period must be at least a nanosecond, not {period!r} s")
        return cls(limit, nanoseconds, burst)

    @classmethod
    def of_window(cls, limit: int, period: float, burst: int | None = None) -> Self:
        """For a window, which admits its whole limit at once: a burst other than the limit is an error.

        Raises:
            ValueError: as `of`, and where `burst` is neither None nor `limit`.
        """
        if burst is not None and burst != limit:
            raise ValueError(f"a window admits its whole limit at once: burst must be {limit} or None, not {burst!r}")
        return cls.of(limit, period)


def _check_count(name: str, value: int, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, not {value!r}")


class RateLimiter(Protocol):
    """Decides request by request, key by key."""

    def acquire(self, key: str, now: int, cost: int = 1) -> Decision:
        """Ask for `cost` at `now`, monotonic nanoseconds; what is admitted is charged to `key`.

        A refusal charges nothing. A cost of 0 asks without taking: the decision says what there is.

        Raises:
            ValueError: the cost is negative.
        """
        ...
