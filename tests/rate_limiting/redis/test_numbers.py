"""What doubles can hold, and what is done where they cannot."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.rate_limiting.limit_store import Ask, Limit
from api_gateway.rate_limiting.limiters import WINDOWS, limiter_of
from api_gateway.rate_limiting.redis.numbers import EXACT, numbers_of
from tests.support.valkey import Valkey, acquire_at, store_with_time

HOUR = 3600.0


def test_a_request_is_worth_exactly_what_it_should_be() -> None:
    numbers = numbers_of(Limit("awkward", "gcra", 90, 60.0, 7), HOUR)
    scale, interval, most = numbers.arguments
    assert Fraction(interval, scale) == Fraction(60_000_000, 90)
    assert (most, numbers.most) == (7, 7)


def test_a_period_that_is_not_whole_microseconds_is_exact_for_buckets_and_rounded_up_for_windows() -> None:
    scale, interval, _ = numbers_of(Limit("bucket", "token_bucket", 2, 1.5e-6), HOUR).arguments
    assert Fraction(interval, scale) == Fraction(3, 4)
    assert numbers_of(Limit("window", "fixed_window", 2, 1.0005e-3), HOUR).arguments == (2, 1001, 0)


@given(st.integers(1, 10**9), st.integers(1, 10**17), st.integers(1, 10**6))
def test_ticks_never_give_more_than_was_promised_and_nearly_as_much(count: int, nanoseconds: int, burst: int) -> None:
    limit = Limit("any", "gcra", count, nanoseconds / 1e9, burst)
    worth = Fraction(round(limit.period * 1e9), 1000 * count)
    try:
        scale, interval, most = numbers_of(limit, HOUR).arguments
    except ValueError:
        assert most_microseconds(burst, worth) > EXACT
        return
    assert most * interval <= EXACT
    assert worth <= Fraction(interval, scale) <= worth * (1 + Fraction(burst, 2**50)) + Fraction(burst, 2**50)


def most_microseconds(burst: int, worth: Fraction) -> int:
    return burst * -(-worth.numerator // worth.denominator)


async def test_a_limit_of_which_the_ticks_are_coarse_never_admits_early(server: Valkey) -> None:
    limit = Limit("million and three a month", "gcra", 1_000_003, 2_592_000.0, 1_000_003)
    scale, interval, _ = numbers_of(limit, HOUR).arguments
    worth = Fraction(2_592_000_000_000, 1_000_003)
    assert worth < Fraction(interval, scale) < worth * (1 + Fraction(1, 10**9))
    async with store_with_time(server.url, [limit]) as store:
        assert (await acquire_at(store, 0, [Ask(limit, "key", 1_000_003)])).decision.allowed
        refused = (await acquire_at(store, 0, [Ask(limit, "key")])).decision
        assert refused.retry_after is not None
        assert refused.retry_after >= worth * 1000
        back = refused.retry_after // 1000
        assert not (await acquire_at(store, back - 1, [Ask(limit, "key")])).decision.allowed
        assert (await acquire_at(store, back, [Ask(limit, "key")])).decision.allowed


@pytest.mark.parametrize(
    "limit",
    [
        Limit("bucket", "gcra", 1, 1e9, 10**7),
        Limit("window", "fixed_window", 1, 5 * 365 * 86_400.0),
        Limit("count", "sliding_window_log", 2**48, 1.0),
    ],
)
def test_what_no_double_can_hold_is_refused_by_name(limit: Limit) -> None:
    with pytest.raises(ValueError, match=f"limit '{limit.name}': .* too great"):
        numbers_of(limit, HOUR)


@pytest.mark.parametrize(
    "limit",
    [
        Limit("none", "gcra", 0),
        Limit("burst", "fixed_window", 5, 1.0, 6),
        Limit("period", "token_bucket", 1, 0.0),
        Limit("places", "concurrency", 0),
        Limit("unknown", "lottery", 1),  # type: ignore[arg-type]
    ],
)
def test_what_memory_refuses_is_refused_here_too(limit: Limit) -> None:
    with pytest.raises(ValueError, match=r"must|no algorithm"):
        numbers_of(limit, HOUR)


def test_states_are_shared_by_limits_that_read_them_alike() -> None:
    for algorithm in WINDOWS:
        more, other = Limit("a", algorithm, 10, 60.0), Limit("a", algorithm, 20, 60.0)
        assert numbers_of(more, HOUR).units == numbers_of(other, HOUR).units
        assert numbers_of(more, HOUR).units != numbers_of(more._replace(period=61.0), HOUR).units
    slow, fast = Limit("a", "gcra", 10, 60.0, 5), Limit("a", "gcra", 20, 60.0, 5)
    assert numbers_of(slow, HOUR).units != numbers_of(fast, HOUR).units
    assert numbers_of(slow, HOUR).units == numbers_of(slow._replace(burst=9), HOUR).units


def test_a_limiter_in_memory_has_the_limits_own_numbers() -> None:
    assert limiter_of(Limit("a", "gcra", 10, 60.0, 5)).acquire("key", 0, 0).limit == 5
    assert limiter_of(Limit("a", "concurrency", 3)).acquire("key", 0, 0).limit == 3
