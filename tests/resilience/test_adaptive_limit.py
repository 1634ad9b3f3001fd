"""What all adaptive limits promise, and what each makes of a service under twice its load."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.resilience.adaptive_limit import AdaptiveLimit, BoundedLimit, Round
from api_gateway.resilience.aimd import AIMDLimit
from api_gateway.resilience.gradient2 import Gradient2Limit
from api_gateway.resilience.vegas import VegasLimit
from tests.support.limited_service import overload

MS = 1_000_000

MAKERS: dict[str, Callable[[int, int, int], AdaptiveLimit]] = {
    "aimd": lambda first, least, most: AIMDLimit(100 * MS, first, least=least, most=most),
    "vegas": lambda first, least, most: VegasLimit(first, least=least, most=most),
    "gradient2": lambda first, least, most: Gradient2Limit(first, least=least, most=most),
}


def _constant(random: Random) -> float:
    return 0.05


def _uniform(random: Random) -> float:
    return random.uniform(0.025, 0.075)


def _exponential(random: Random) -> float:
    return random.expovariate(20)


def _mostly_lost(seconds: float) -> int:
    return 20 if seconds < 20 else 5


each = pytest.mark.parametrize("name", sorted(MAKERS))


@given(
    st.sampled_from(sorted(MAKERS)),
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 50), st.booleans()), max_size=300),
    st.tuples(st.integers(1, 10), st.integers(0, 10), st.integers(0, 10)),
)
def test_the_limit_stays_within_its_bounds(
    name: str, calls: list[tuple[int, int, bool]], steps: tuple[int, int, int]
) -> None:
    least, first, most = steps[0], sum(steps[:2]), sum(steps)
    limit = MAKERS[name](first, least, most)
    assert limit.limit == first
    now = 0
    for took, in_flight, dropped in calls:
        now += took
        limit.record(now - took, now, in_flight, dropped=dropped)
        assert least <= limit.limit <= most


@each
def test_a_limit_that_is_not_in_use_does_not_grow(name: str) -> None:
    limit = MAKERS[name](20, 1, 1000)
    for number in range(1000):
        limit.record(number * 10 * MS, number * 10 * MS + MS, in_flight=9)
    assert limit.limit <= 2 * 9 + 6  # vegas halves itself now and then, and its greatest step is 6


@each
def test_quick_answers_let_a_limit_in_use_grow(name: str) -> None:
    limit = MAKERS[name](20, 1, 1000)
    for number in range(1000):
        limit.record(number * 10 * MS, number * 10 * MS + MS, in_flight=limit.limit)
    assert limit.limit > 25


@each
def test_dropped_calls_take_it_down_to_the_least(name: str) -> None:
    limit = MAKERS[name](20, 8, 1000)  # below 8, the answer of gradient2 to nothing but drops is 8
    for number in range(1000):
        limit.record(number * 10 * MS, number * 10 * MS + MS, limit.limit, dropped=True)
    assert limit.limit == 8


@each
def test_calls_that_began_before_a_change_change_nothing_more(name: str) -> None:
    limit = MAKERS[name](20, 1, 1000)
    now = 0
    while limit.limit == 20:
        now += 10 * MS
        limit.record(now - MS, now, 20, dropped=True)
    changed = limit.limit
    assert changed >= 16
    for _ in range(100):
        limit.record(now - MS, now + MS, 20, dropped=True)
    assert limit.limit == changed


@each
def test_under_twice_the_load_the_service_works_and_answers_in_time(name: str) -> None:
    outcome = overload(MAKERS[name](20, 1, 1000), _uniform)
    assert outcome.rate > 390  # of 400
    assert outcome.median < 0.1
    assert all(10 <= limit <= 50 for limit in outcome.limits[len(outcome.limits) // 2 :])


def test_without_a_limit_twice_the_load_is_a_queue_without_end() -> None:
    outcome = overload(None, _uniform)
    assert outcome.rate > 390
    assert outcome.median > 10


@each
def test_the_limit_follows_a_service_that_loses_most_of_its_workers(name: str) -> None:
    outcome = overload(MAKERS[name](20, 1, 1000), _constant, workers=_mostly_lost)
    assert max(outcome.limits[-1000:]) < 25
    assert min(outcome.limits[:8000]) > 10


def test_gradient2_drifts_under_lasting_overload() -> None:
    outcome = overload(Gradient2Limit(), _constant, seconds=150)
    quarter = len(outcome.limits) // 4
    assert max(outcome.limits[quarter : 2 * quarter]) < min(outcome.limits[-1000:])


def test_vegas_pays_for_chance_with_throughput() -> None:
    outcome = overload(VegasLimit(), _exponential)
    assert 0.7 < outcome.rate / 400 < 0.95


def test_vegas_looks_for_the_quickest_round_again() -> None:
    limit = VegasLimit(100, most=100)
    now = 0
    for _ in range(60 * 100):
        now += 100 * MS
        limit.record(now - MS, now, limit.limit)
    low = 1000
    for _ in range(60 * 100):  # ten times slower, for good
        now += 100 * MS
        limit.record(now - 10 * MS, now, limit.limit)
        low = min(low, limit.limit)
    assert low < 60
    assert limit.limit > low + 20


@pytest.mark.parametrize(("queue", "change"), [(2, 12), (3, 2), (5, 2), (6, 0), (12, 0), (13, -2), (50, -2)])
def test_vegas_keeps_a_queue_of_three_to_six_for_each_factor_of_ten(queue: int, change: int) -> None:
    limit = VegasLimit(100)
    quickest = 1000 * MS
    for number in range(100):
        limit.record(number, number + quickest, in_flight=1)
    assert limit.limit == 100
    began = 10_000 * MS
    for number in range(100):
        limit.record(began + number, began + number + round(quickest / (1 - (queue - 0.5) / 100)), in_flight=100)
    assert limit.limit == 100 + change


def _rounds_of_ten(limit: Gradient2Limit, rounds: int, took: int, now: int) -> int:
    """Answers that take `took`; when the last one ends."""
    for _ in range(rounds * 10):
        limit.record(now, now + took, in_flight=10)
        now += took
    return now


def test_gradient2_goes_down_by_a_tenth_at_most() -> None:
    limit = Gradient2Limit(10, most=10)
    now = _rounds_of_ten(limit, 100, MS, 0)
    _rounds_of_ten(limit, 1, 1000 * MS, now)
    assert limit.limit == int(0.8 * 10 + 0.2 * (0.5 * 10 + 4))


def test_gradient2_forgets_a_trouble_that_is_over() -> None:
    limit = Gradient2Limit(10, most=10)
    now = _rounds_of_ten(limit, 200, 100 * MS, 0)
    now = _rounds_of_ten(limit, 40, 10 * MS, now)
    assert limit.limit == 10
    _rounds_of_ten(limit, 1, 60 * MS, now)
    assert limit.limit < 10


def test_aimd_adds_one_for_a_round_and_takes_a_tenth() -> None:
    limit = AIMDLimit(100 * MS, 10)
    for number in range(11):
        limit.record(number, number + 100 * MS, in_flight=10)
    assert limit.limit == 11
    limit.record(10**12, 10**12 + 100 * MS + 1, in_flight=10)
    assert limit.limit == 9


def test_a_round_is_the_mean_of_calls_that_began_after_the_last() -> None:
    rounds = Round()
    for number in range(11):
        assert rounds.add(0, 10 + number, in_flight=1, limit=12, dropped=False) is None
    sample = rounds.add(0, 33, in_flight=6, limit=12, dropped=True)
    assert sample == ((sum(range(10, 21)) + 33) / 12, True, True)
    for _ in range(100):
        assert rounds.add(32, 50, in_flight=1, limit=12, dropped=True) is None
    for _ in range(9):
        assert rounds.add(33, 34, in_flight=5, limit=10.5, dropped=False) is None
    assert rounds.add(33, 34, in_flight=5, limit=10, dropped=False) == (1.0, True, False)


@pytest.mark.parametrize(("first", "least", "most"), [(5, 6, 10), (5, 1, 4), (1, 0, 10)])
def test_bounds_that_contradict_each_other_are_an_error(first: int, least: int, most: int) -> None:
    with pytest.raises(ValueError, match="1 <= least <= first <= most"):
        BoundedLimit(first, least=least, most=most)


def test_numbers_that_make_no_sense_are_errors() -> None:
    with pytest.raises(ValueError, match="too_slow must be at least 1 nanosecond, not 0"):
        AIMDLimit(0)
    with pytest.raises(ValueError, match=r"tolerance must be at least 1, not 0\.9"):
        Gradient2Limit(tolerance=0.9)
