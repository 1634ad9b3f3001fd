"""The adversary against an oracle that tries every pattern of any number of requests, and against the proofs."""

from itertools import product
from typing import Any

import pytest

from api_gateway.plotting.rate_limiters.adversary import Adversary, proven
from api_gateway.plotting.rate_limiters.replay import in_step
from api_gateway.rate_limiting import GCRA, Quota
from api_gateway.rate_limiting.keyed_rate_limiter import KeyedRateLimiter

NAMES = list(in_step(10, 1, 10))


def made(name: str, limit: int = 10, burst: int = 10) -> KeyedRateLimiter[Any]:
    return in_step(limit, 1, burst)[name]()


def by_force(limiter: KeyedRateLimiter[Any], moments: list[int], window: int) -> int:
    """Each pattern on its own: no states are merged, and any number from none to all may be sent at each moment."""
    worst = 0
    for pattern in product(range(limiter.quota.limit + 2), repeat=len(moments)):
        state, left = None, []
        for now, count in zip(moments, pattern, strict=True):
            for _ in range(count):
                state, decision = limiter.decide(state, now)
                if decision.allowed:
                    left.append(now + decision.wait)
        worst = max([worst, *(sum(start <= now < start + window for now in left) for start in left)])
    return worst


@pytest.mark.parametrize("name", NAMES)
def test_nothing_worse_is_found_by_sending_only_a_part(name: str) -> None:
    limiter = made(name, 2, 2)
    adversary = Adversary(limiter, grid=2)
    around = [now for now in adversary.moments if 0.9e9 <= now <= 2e9]
    for window in (2, 500_000_000, 1_000_000_000):
        assert adversary.most_within(window) == max(by_force(made(name, 2, 2), around, window), 1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("limit", "burst"), [(4, 1), (3, 5)])
def test_what_is_found_never_exceeds_what_is_proven(name: str, limit: int, burst: int) -> None:
    limiter = made(name, limit, burst)
    adversary = Adversary(limiter)
    for window in (2, 300_000_000, 500_000_000, 1_000_000_000):
        assert adversary.most_within(window) <= proven(name, limiter.quota, window)


@pytest.mark.parametrize("name", NAMES)
def test_on_a_grid_that_fits_the_limit_what_is_proven_is_reached(name: str) -> None:
    limiter = made(name, 5, 5)
    adversary = Adversary(limiter, grid=5)
    for window in (2, *range(200_000_000, 1_000_000_001, 200_000_000)):
        assert adversary.most_within(window) == proven(name, limiter.quota, window)


@pytest.mark.parametrize("window", [0, 1_000_000_001])
def test_a_window_is_at_most_a_period(window: int) -> None:
    with pytest.raises(ValueError, match="at most a period"):
        Adversary(GCRA(10, 1)).most_within(window)


def test_nothing_is_proven_about_a_longer_window_or_an_unknown_algorithm() -> None:
    with pytest.raises(ValueError, match="at most a period"):
        proven("gcra", Quota.of(10, 1), 1_000_000_001)
    with pytest.raises(KeyError):
        proven("sliding_doors", Quota.of(10, 1), 1)
