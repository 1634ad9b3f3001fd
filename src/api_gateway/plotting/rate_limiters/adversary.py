"""The adversary: the worst that a client can do to a limit, found by search.

A limit says "10 a second". The adversary knows the limiter's code, its state and its clock, and wants as
many requests as possible through in one window of its own choosing.

Rule: at each moment of a grid it is silent, or floods until it is refused. The search tries every such
pattern: all 2 ** n of them, which is possible because patterns that lead to the same state need to be
followed only once. Moments come in pairs, a grid point and the nanosecond before it, so that the adversary can
be on both sides of a window's boundary.

Bound: what is found has been done to the real class, so it is a lower bound of the worst case. Where it equals
the proven upper bound, both are exact. Sending only part of what would be admitted is left out here;
for small limits the tests search those patterns too, and find nothing worse.
Cost: moments times states, for each start and length of window; the flood at each is asked once.

What it does not do: search for costs other than 1, or over several keys, which are independent.
"""

from __future__ import annotations

from collections.abc import Hashable
from fractions import Fraction
from math import ceil
from typing import Generic, NamedTuple, TypeVar

from api_gateway.rate_limiting.keyed_rate_limiter import KeyedRateLimiter
from api_gateway.rate_limiting.rate_limiter import Quota
from api_gateway.rate_limiting.sliding_window_log import Log

State = TypeVar("State")

_PERIODS = 3  # one to prepare in, one to begin in, one to end in


class Flood(NamedTuple):
    """What a flood at one moment comes to."""

    after: int
    """The number of the state it leads to."""
    leaves: tuple[int, ...]
    """When those that are admitted go on, in nanoseconds."""


class Adversary(Generic[State]):
    """Every pattern of silence and floods against one limiter."""

    def __init__(self, limiter: KeyedRateLimiter[State], grid: int = 10) -> None:
        """`grid` pairs of moments in each period."""
        self.limiter = limiter
        self.period = limiter.quota.period
        on = [round(number * self.period / grid) for number in range(1, _PERIODS * grid)]
        self.moments = sorted([0, *on, *(now - 1 for now in on)])
        self._states: list[State | None] = [None]
        self._numbers: dict[Hashable, int] = {None: 0}
        self._floods: dict[tuple[int, int], Flood] = {}

    def most_within(self, window: int) -> int:
        """The most that goes on in any half-open window of so many nanoseconds.

        It begins in the second period, so that there is one before it to prepare in.

        Raises:
            ValueError: the window is longer than a period, where the moments end.
        """
        if not 0 < window <= self.period:
            raise ValueError(f"a window must be at most a period, {self.period} ns, not {window} ns")
        starts = [now for now in self.moments if self.period - 1 <= now < 2 * self.period - 1]
        return max(self._most_between(start, start + window) for start in starts)

    def _most_between(self, start: int, end: int) -> int:
        best = {0: 0}
        for now in self.moments:
            if now >= end:
                break
            for state, count in list(best.items()):
                after, leaves = self._flood(state, now)
                counted = count + sum(start <= leave < end for leave in leaves)
                if best.get(after, -1) < counted:
                    best[after] = counted
        return max(best.values())

    def _flood(self, state: int, now: int) -> Flood:
        flood = self._floods.get((state, now))
        if flood is None:
            flood = self._floods[state, now] = self._ask(self._states[state], now)
        return flood

    def _ask(self, state: State | None, now: int) -> Flood:
        leaves: list[int] = []
        while True:
            after, decision = self.limiter.decide(state, now)
            if not decision.allowed:
                return Flood(self._number(state), tuple(leaves))
            leaves.append(now + decision.wait)
            state = after

    def _number(self, state: State | None) -> int:
        name = tuple(state.stamps[state.expired :]) if isinstance(state, Log) else state
        assert isinstance(name, Hashable)
        number = self._numbers.setdefault(name, len(self._states))
        if number == len(self._states):
            self._states.append(state)
        return number


def proven(algorithm: str, quota: Quota, window: int) -> int:
    """The proven bound: at most so many in any half-open window of so many nanoseconds, whatever comes.

    The formulas are those of the algorithms' own docstrings. For the sliding counter it is less than
    N + N W / P: say C were admitted in the aligned window before the boundary, a of them in ours, and c
    after it, the last when a share f of the new window had passed. Then C (1 - f) + c <= N, so
    a + c <= N + C f; and C <= N, f < W / P.

    Raises:
        ValueError: the window is longer than a period, where that proof ends.
        KeyError: nothing is proven about such an algorithm.
    """
    if window > quota.period:
        raise ValueError(f"a window must be at most a period, {quota.period} ns, not {window} ns")
    limit, share = quota.limit, Fraction(window, quota.period)
    bucket = quota.burst + ceil(share * limit) - 1
    return {
        "fixed_window": limit * (ceil(share) + 1),
        "sliding_window_log": limit * ceil(share),
        "sliding_window_counter": limit + ceil(share * limit) - 1,
        "token_bucket": bucket,
        "leaky_bucket": bucket,
        "gcra": bucket,
        "leaky_bucket_queue": ceil(share * limit),
    }[algorithm]
