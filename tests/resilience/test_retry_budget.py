"""The retry budget against its whole history, and the bound that it promises."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.resilience.retry_budget import RetryBudget

SECOND = 1_000_000_000

# What happens, and how long after what came before; windows are 50 long here, in 5 buckets.
steps = st.lists(st.tuples(st.sampled_from(["request", "request", "retry"]), st.integers(0, 30)), max_size=200)
percents = st.integers(1, 100)


def _small(percent: int, minimum: int) -> RetryBudget:
    return RetryBudget(percent / 100, minimum=minimum, window=50, buckets=5)


@given(steps, percents, st.integers(0, 4))
def test_it_allows_what_the_whole_history_allows(script: list[tuple[str, int]], percent: int, minimum: int) -> None:
    budget = _small(percent, minimum)
    requests: list[int] = []
    retries: list[int] = []
    now = 0
    for what, after in script:
        now += after
        recent = [sum(then // 10 > now // 10 - 5 for then in times) for times in (requests, retries)]
        allowed = max(minimum, recent[0] * percent // 100) - recent[1]
        assert budget.remaining(now) == max(0, allowed)
        if what == "request":
            budget.record_request(now)
            requests.append(now)
        else:
            assert budget.acquire(now) == (allowed > 0)
            if allowed > 0:
                retries.append(now)


@given(steps, percents, st.integers(0, 4))
def test_retries_never_exceed_the_share_and_a_minimum_for_each_window(
    script: list[tuple[str, int]], percent: int, minimum: int
) -> None:
    budget = _small(percent, minimum)
    now = requests = retries = 0
    for what, after in script:
        now += after
        if what == "request":
            budget.record_request(now)
            requests += 1
        while budget.acquire(now):
            retries += 1
        assert retries <= Fraction(percent, 100) * requests + minimum * (now // 50 + 1)


@given(percents, st.integers(1, 9), st.integers(1, 400))
def test_when_all_fails_calls_are_amplified_by_one_plus_the_share(percent: int, attempts: int, requests: int) -> None:
    budget = _small(percent, minimum=0)
    calls = 0
    for number in range(requests):
        budget.record_request(number)
        calls += 1
        for _ in range(attempts - 1):
            calls += budget.acquire(number)
        assert calls <= (1 + Fraction(percent, 100)) * (number + 1)


def test_the_share_is_used_up_and_not_only_kept() -> None:
    budget = RetryBudget(0.2)
    retries = 0
    for number in range(10_000):
        budget.record_request(number * SECOND // 100)
        retries += sum(budget.acquire(number * SECOND // 100) for _ in range(2))
    assert retries == 2000


def test_a_quiet_service_may_retry_its_minimum_in_each_window() -> None:
    budget = RetryBudget(0.2, minimum=2)
    for hour in range(5):
        now = hour * 3600 * SECOND
        budget.record_request(now)
        assert [budget.acquire(now) for _ in range(3)] == [True, True, False]


def test_the_minimum_is_not_on_top_of_the_share() -> None:
    budget = RetryBudget(0.2, minimum=10)
    for _ in range(100):
        budget.record_request(0)
    assert sum(budget.acquire(0) for _ in range(100)) == 20


def test_what_was_saved_in_good_times_is_lost_after_the_window() -> None:
    budget = RetryBudget(0.5, minimum=1)
    for _ in range(1000):
        budget.record_request(0)
    assert budget.remaining(10 * SECOND - 1) == 500
    assert budget.remaining(10 * SECOND) == 1


def test_numbers_that_make_no_sense_are_errors() -> None:
    with pytest.raises(ValueError, match="share must be greater than 0 and at most 1"):
        RetryBudget(1.2)
    with pytest.raises(ValueError, match="minimum must not be negative, is -1"):
        RetryBudget(0.2, minimum=-1)
    with pytest.raises(ValueError, match="positive multiple of 10 nanoseconds, not 15"):
        RetryBudget(0.2, window=15)
