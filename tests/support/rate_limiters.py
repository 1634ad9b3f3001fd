"""What the limiters' tests share: all algorithms, traces to ask them, and oracles that are slow and plain."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from fractions import Fraction
from functools import cache
from math import ceil, floor
from typing import Any, NamedTuple, TypeAlias

from hypothesis import strategies as st

from api_gateway.rate_limiting import (
    GCRA,
    Decision,
    FixedWindow,
    LeakyBucket,
    LeakyBucketQueue,
    SlidingWindowCounter,
    SlidingWindowLog,
    TokenBucket,
)
from api_gateway.rate_limiting.keyed_rate_limiter import KeyedRateLimiter
from api_gateway.rate_limiting.sliding_window_log import Log

Limiter: TypeAlias = KeyedRateLimiter[Any]  # a test asks all of them alike, whatever their states are

BUCKETS: list[type[Limiter]] = [TokenBucket, LeakyBucket, GCRA]
WINDOWS: list[type[Limiter]] = [FixedWindow, SlidingWindowLog, SlidingWindowCounter]
ALGORITHMS: list[type[Limiter]] = [*BUCKETS, *WINDOWS, LeakyBucketQueue]


def limiter(
    algorithm: type[Limiter], limit: int, nanoseconds: int, burst: int | None = None, **options: Any
) -> Limiter:
    """One whose period is given in nanoseconds, so that a test can work with ticks of one."""
    made = algorithm(limit, nanoseconds / 1e9, None if algorithm in WINDOWS else burst, **options)
    assert made.quota.period == nanoseconds
    return made


class Ask(NamedTuple):
    """One request of a trace."""

    now: int
    cost: int = 1
    key: str = "key"


def quotas(most: int = 6) -> st.SearchStrategy[tuple[int, int, int]]:
    """Limit, period in nanoseconds, and burst: small, and mostly with a ratio that is not whole."""
    return st.tuples(st.integers(1, most), st.integers(1, 40), st.integers(1, most))


@st.composite
def traces(draw: st.DrawFn, most: int = 30, costs: st.SearchStrategy[int] | None = None, keys: int = 1) -> list[Ask]:
    """Requests in the order of time, close enough to each other that limits are felt."""
    costs = costs or st.one_of(st.just(1), st.integers(0, 8))
    step = st.one_of(st.just(0), st.integers(0, 3), st.integers(0, 60))
    asked = draw(st.lists(st.tuples(step, costs, st.integers(0, keys - 1)), min_size=1, max_size=most))
    now = draw(st.integers(0, 100))
    trace = []
    for passed, cost, key in asked:
        now += passed
        trace.append(Ask(now, cost, f"key-{key}"))
    return trace


def disordered(trace: Iterable[Ask], order: Iterable[int]) -> list[Ask]:
    """The trace with a clock that jumps: the times are those of the requests at `order`."""
    asks = list(trace)
    return [ask._replace(now=asks[index % len(asks)].now) for ask, index in zip(asks, order, strict=False)]


class FractionBucket:
    """The definition of a token bucket, in rational numbers."""

    def __init__(self, limit: int, nanoseconds: int, burst: int) -> None:
        self.rate = Fraction(limit, nanoseconds)
        self.burst = burst
        self.tokens = Fraction(burst)
        self.counted: int | None = None

    def acquire(self, now: int, cost: int) -> Decision:
        tokens = self.tokens
        if self.counted is not None:
            tokens = min(Fraction(self.burst), tokens + self.rate * (now - self.counted))
        allowed = cost <= tokens
        if allowed:
            tokens -= cost
            self.tokens, self.counted = tokens, now
        retry_after = None if allowed or cost > self.burst else ceil((cost - tokens) / self.rate)
        return Decision(allowed, self.burst, floor(tokens), ceil((self.burst - tokens) / self.rate), retry_after)


def frozen(state: object) -> Hashable:
    """A state as a dictionary's key."""
    if isinstance(state, Log):
        return tuple(state.stamps[state.expired :])
    assert isinstance(state, Hashable)
    return state


def worst_window(limiter: Limiter, window: int, horizon: int) -> int:
    """The most that is admitted in any `window` ticks, over *every* pattern of arrivals in `horizon` ticks.

    Patterns that lead to the same state at the same time are followed once: that makes it feasible, and
    leaves nothing out.
    """
    states: dict[Hashable, object] = {}

    def options(state: object, now: int) -> list[tuple[int, object]]:
        """What can be admitted at this tick, from nothing to all that fits, and the state after."""
        found = [(0, state)]
        while True:
            admitted, before = found[-1]
            after, decision = limiter.decide(before, now, 1)
            if not decision.allowed:
                return found
            found.append((admitted + 1, after))

    @cache
    def most(state: Hashable, now: int, ticks: int) -> int:
        if ticks == 0:
            return 0
        best = 0
        for admitted, after in options(states[state], now):
            states.setdefault(frozen(after), after)
            best = max(best, admitted + most(frozen(after), now + 1, ticks - 1))
        return best

    states[None] = None
    reachable: set[Hashable] = {None}
    worst = 0
    for start in range(horizon - window + 1):
        worst = max(worst, *(most(state, start, window) for state in reachable))
        following: set[Hashable] = set()
        for state in reachable:
            for _, after in options(states[state], start):
                states.setdefault(frozen(after), after)
                following.add(frozen(after))
        reachable = following
    return worst
