"""Expected wait: the mean, the percentile and its bound, and what has been forgotten."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.resilience.expected_wait import ExpectedWait

MS = 1_000_000


def after(calls: list[int]) -> ExpectedWait:
    expected = ExpectedWait()
    for call in calls:
        expected.record(call)
    return expected


def test_nothing_is_expected_before_a_call_has_ended() -> None:
    expected = ExpectedWait()
    assert (expected.known, expected.wait(1000, 1), expected.service) == (False, 0, 0)


def test_the_wait_is_that_for_places_that_come_free_one_after_the_other() -> None:
    expected = after([10 * MS])
    assert expected.known
    assert expected.wait(0, 10) == MS
    assert expected.wait(99, 10) == 100 * MS
    assert expected.wait(0, 1) == 10 * MS


def test_the_percentile_needs_twenty_calls() -> None:
    assert after([MS] * 19).service == 0
    assert MS <= after([MS] * 20).service <= MS * 9 / 8


@given(st.lists(st.integers(8, 2**60), min_size=1, max_size=49).map(lambda calls: calls * 20))
def test_the_percentile_is_never_too_low_and_at_most_an_eighth_too_high(calls: list[int]) -> None:
    calls = calls[: 20 * (min(len(calls), 980) // 20)]
    true = sorted(calls)[math.ceil(0.99 * len(calls)) - 1]
    assert true <= after(calls).service <= true * 9 / 8


@pytest.mark.parametrize("held", [0, 1, 7, 8, 2**64])
def test_any_duration_has_its_bucket(held: int) -> None:
    assert after([held] * 20).service >= held


def test_the_percentile_of_exponential_times_is_theirs() -> None:
    random = Random(1)
    expected = after([round(random.expovariate(1) * 10 * MS) for _ in range(20_000)])
    assert 0.85 < expected.service / (10 * MS * math.log(100)) < 1.3
    assert 0.7 < expected.wait(0, 1) / (10 * MS) < 1.3


def test_a_service_that_became_slow_or_quick_again_is_found_out() -> None:
    expected = after([10 * MS] * 5000)
    for _ in range(500):
        expected.record(100 * MS)
    assert expected.wait(0, 1) > 99 * MS
    assert expected.service >= 100 * MS
    for _ in range(10_000):
        expected.record(10 * MS)
    assert expected.wait(0, 1) < 11 * MS
    assert expected.service < 12 * MS


def test_a_caller_that_left_tells_of_the_place_and_not_of_the_service() -> None:
    expected = after([10 * MS] * 20)
    for _ in range(10_000):
        expected.record(MS, served=False)
    assert expected.wait(0, 1) < 2 * MS
    assert expected.service >= 10 * MS
