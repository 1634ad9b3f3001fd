"""Slow start: the curve, and who is still warming up."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.backend.slow_start import SlowStart, WarmingEndpoints
from api_gateway.core.clock import NANOSECONDS
from tests.support.load_balancers import of_one_weight

SECOND = NANOSECONDS


@pytest.mark.parametrize(
    ("aggression", "seconds", "share"),
    [
        (1.0, 0, 0.1),
        (1.0, 2, 0.1),
        (1.0, 10, 0.5),
        (1.0, 15, 0.75),
        (1.0, 20, 1.0),
        (1.0, 99, 1.0),
        (2.0, 5, 0.5),
        (0.5, 10, 0.25),
        (1.0, -1, 0.1),
    ],
)
def test_the_share_grows_from_the_minimum_to_the_whole(aggression: float, seconds: int, share: float) -> None:
    assert SlowStart(20.0, aggression).share(seconds * SECOND) == pytest.approx(share)


@given(st.floats(0.001, 1e4), st.floats(0.05, 20), st.floats(0.01, 1), st.lists(st.integers(0, 10**14), min_size=2))
def test_the_share_never_falls_and_stays_within_its_bounds(
    window: float, aggression: float, minimum: float, ages: list[int]
) -> None:
    start = SlowStart(window, aggression, minimum)
    shares = [start.share(age) for age in sorted(ages)]
    assert shares == sorted(shares)
    assert all(minimum <= share <= 1 for share in shares)


@pytest.mark.parametrize("wrong", [{"window": 0}, {"window": 1, "aggression": 0}, {"window": 1, "minimum": 0}])
def test_a_slow_start_without_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="not a slow start"):
        SlowStart(**wrong)


def test_a_warming_endpoint_is_kept_as_often_as_its_share_says_and_a_warm_one_always() -> None:
    cold, warm = of_one_weight(2)
    warming = WarmingEndpoints(SlowStart(20.0), Random(1))
    warming.begin(cold, 0)
    for seconds, share in ((0, 0.1), (10, 0.5), (15, 0.75)):
        kept = sum(warming.admits(cold, seconds * SECOND) for _ in range(4000))
        assert kept / 4000 == pytest.approx(share, abs=0.03)
        assert warming.share(cold, seconds * SECOND) == share
    assert all(warming.admits(warm, 0) for _ in range(100))


def test_whoever_is_warm_or_gone_is_forgotten() -> None:
    first, second, third = of_one_weight(3)
    warming = WarmingEndpoints(SlowStart(20.0), Random(1))
    for seconds, endpoint in enumerate((first, second, third)):
        warming.begin(endpoint, seconds * SECOND)
    warming.refresh(20 * SECOND)
    assert len(warming) == 2
    warming.end(second)
    warming.end(second)
    assert (len(warming), warming.share(second, 0), warming.share(third, 2 * SECOND)) == (1, 1.0, 0.1)
