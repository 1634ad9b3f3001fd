"""Replay: the same traffic to a limiter, and what it said to each request.

Rule: the limiter is the package's own, asked through `acquire` as a gateway asks it, one key, with the
arrival time as `now`. An admitted request leaves at once, or after the `wait` that a shaper demands.

What it does not do: wait. Ten minutes of traffic take as long as their decisions.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from api_gateway.rate_limiting import (
    GCRA,
    Decision,
    FixedWindow,
    LeakyBucket,
    LeakyBucketQueue,
    RateLimiter,
    SlidingWindowCounter,
    SlidingWindowLog,
    TokenBucket,
)
from api_gateway.rate_limiting.rate_limiter import NANOSECONDS
from api_gateway.rate_limiting.sliding_window_log import Log

Subject: TypeAlias = (
    FixedWindow | SlidingWindowLog | SlidingWindowCounter | TokenBucket | LeakyBucket | GCRA | LeakyBucketQueue
)
"""A limiter that counts per time."""


class Replay(NamedTuple):
    """What one limiter made of some traffic. All times are nanoseconds."""

    arrivals: tuple[int, ...]
    decisions: tuple[Decision, ...]

    @property
    def admitted(self) -> list[int]:
        """When the admitted ones came."""
        return [now for now, decision in zip(*self, strict=True) if decision.allowed]

    @property
    def refused(self) -> list[int]:
        """When the refused ones came."""
        return [now for now, decision in zip(*self, strict=True) if not decision.allowed]

    @property
    def left(self) -> list[int]:
        """When the admitted ones went on to the service, in order."""
        return sorted(now + decision.wait for now, decision in zip(*self, strict=True) if decision.allowed)

    @property
    def told_to_return(self) -> list[int]:
        """When the refused ones may come back, where that helps."""
        decisions = zip(*self, strict=True)
        return [now + decision.retry_after for now, decision in decisions if decision.retry_after is not None]

    @property
    def verdicts(self) -> list[bool]:
        """Whether each was admitted."""
        return [decision.allowed for decision in self.decisions]


def replay(limiter: RateLimiter, arrivals: Sequence[int]) -> Replay:
    """Ask `limiter` for each arrival in turn."""
    return Replay(tuple(arrivals), tuple(limiter.acquire("client", now) for now in arrivals))


def most_within(times: Sequence[int], seconds: float) -> int:
    """The most of `times`, which are in order, in any half-open window of that length."""
    window = round(seconds * NANOSECONDS)
    return max((bisect_left(times, start + window) - index for index, start in enumerate(times)), default=0)


def numbers_kept(limiter: Subject) -> int:
    """How many numbers a limiter that was replayed to keeps of its one client."""
    state = limiter.table.get("client")
    if isinstance(state, Log):
        return len(state.stamps)
    return len(state) if isinstance(state, tuple) else 1


def in_step(limit: int, period: float, burst: int) -> Mapping[str, Callable[[], Subject]]:
    """Every algorithm that counts per time, with the same limit, by the name that configuration gives it.

    `burst` is what buckets take at once. The queue holds one less, as the first goes at once; windows
    have no burst of their own, and take `limit` at once.
    """
    return {
        "fixed_window": lambda: FixedWindow(limit, period),
        "sliding_window_log": lambda: SlidingWindowLog(limit, period),
        "sliding_window_counter": lambda: SlidingWindowCounter(limit, period),
        "token_bucket": lambda: TokenBucket(limit, period, burst),
        "leaky_bucket": lambda: LeakyBucket(limit, period, burst),
        "gcra": lambda: GCRA(limit, period, burst),
        "leaky_bucket_queue": lambda: LeakyBucketQueue(limit, period, burst - 1),
    }
