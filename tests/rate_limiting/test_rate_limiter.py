"""Quotas: exact whatever the ratio, and checked when they are made. Decisions."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway import rate_limiting
from api_gateway.rate_limiting import Decision, LeakyBucketQueue, Quota
from api_gateway.rate_limiting.rate_limiter import new_decision
from tests.support.rate_limiters import ALGORITHMS, WINDOWS, Limiter

each_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.__name__)


@given(st.integers(1, 10**6), st.integers(1, 10**15))
def test_the_worth_of_a_request_is_exact_in_ticks_and_they_are_as_few_as_can_be(limit: int, period: int) -> None:
    quota = Quota(limit, period, limit)
    assert Fraction(quota.interval, quota.scale) == Fraction(period, limit)
    assert math.gcd(quota.interval, quota.scale) == 1


def test_usual_rates_need_no_ticks_finer_than_a_nanosecond() -> None:
    assert [Quota.of(limit, period).scale for limit, period in [(100, 1), (60, 60), (1000, 60), (90, 60), (7, 3)]] == [
        1, 1, 1, 3, 7,
    ]  # fmt: skip


def test_the_burst_is_the_limit_unless_given() -> None:
    assert Quota.of(5, 0.5) == Quota(5, 500_000_000, 5)
    assert Quota.of(5, 0.5, 7) == Quota(5, 500_000_000, 7)


@each_algorithm
@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "5"])
def test_a_limit_that_is_no_count_is_an_error(algorithm: type[Limiter], limit: int) -> None:
    with pytest.raises(ValueError, match=r"limit must be a whole number of at least 1, not"):
        algorithm(limit, 1)


@each_algorithm
@pytest.mark.parametrize("period", [0, -1, math.inf, math.nan])
def test_a_period_that_is_no_duration_is_an_error(algorithm: type[Limiter], period: float) -> None:
    with pytest.raises(ValueError, match="period must be a positive number of seconds"):
        algorithm(1, period)


@each_algorithm
def test_a_period_under_a_nanosecond_is_an_error(algorithm: type[Limiter]) -> None:
    with pytest.raises(ValueError, match="at least a nanosecond"):
        algorithm(1, 1e-10)


@each_algorithm
@pytest.mark.parametrize("burst", [-1, 0, 2.5])
def test_a_burst_that_is_no_count_is_an_error(algorithm: type[Limiter], burst: int) -> None:
    if algorithm is LeakyBucketQueue and burst == 0:
        assert algorithm(3, 1, 0).acquire("key", 0).limit == 1
        return
    with pytest.raises(ValueError, match="burst must be"):
        algorithm(3, 1, burst)


@pytest.mark.parametrize("algorithm", WINDOWS)
def test_a_windows_burst_can_only_be_its_limit(algorithm: type[Limiter]) -> None:
    assert algorithm(3, 1, 3).acquire("key", 0, 3).allowed
    with pytest.raises(ValueError, match="a window admits its whole limit at once: burst must be 3 or None, not 4"):
        algorithm(3, 1, 4)


def test_the_quick_constructor_makes_what_the_usual_one_makes() -> None:
    decision = new_decision((False, 5, 0, 10, 3, 0))
    assert decision == Decision(False, 5, 0, 10, 3)
    assert type(decision) is Decision
    assert decision.retry_after == 3


def test_the_public_names_are_these() -> None:
    assert sorted(rate_limiting.__all__) == [
        "Claim",
        "Concurrency",
        "Decision",
        "FixedWindow",
        "GCRA",
        "LeakyBucket",
        "LeakyBucketQueue",
        "Quota",
        "RateLimiter",
        "SlidingWindowCounter",
        "SlidingWindowLog",
        "TokenBucket",
        "acquire_all",
    ]
    assert all(getattr(rate_limiting, name) is not None for name in rate_limiting.__all__)
