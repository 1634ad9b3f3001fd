import math
from collections import Counter

import pytest

from api_gateway.plotting.caching.early import (
    begins_before,
    first_refreshes,
    how_many,
    mean_begin,
    mean_of,
    so_many,
    too_late,
)


@pytest.mark.parametrize("beta", [0.5, 1, 2])
def test_the_first_refresh_begins_when_theory_says(beta: float) -> None:
    begun = first_refreshes(beta, 100.0, 0.2, rounds=1000)
    assert begun == sorted(begun)
    assert math.fsum(begun) / 1000 == pytest.approx(mean_begin(beta, 100.0, 0.2), rel=0.05)
    for moment in (0.2, 0.5, 1.0):
        share = sum(each > moment for each in begun) / 1000
        assert share == pytest.approx(begins_before(moment, beta, 100.0, 0.2), abs=0.04)


def test_whether_it_is_back_in_time_is_the_same_distribution_one_effort_before_the_end() -> None:
    assert too_late(1.5, 7) == pytest.approx(1 - begins_before(0.2, 1.5, 35, 0.2))
    late = sum(each < 0.2 for each in first_refreshes(1, 5.0, 0.2, rounds=1000)) / 1000
    assert late == pytest.approx(too_late(1, 1), abs=0.04)


@pytest.mark.parametrize("beta", [1, 2])
def test_how_many_refresh_is_geometric(beta: float) -> None:
    counts = how_many(beta, 100.0, 0.2, rounds=1500)
    assert mean_of(counts) == pytest.approx(math.exp(1 / beta), rel=0.06)
    for number in (1, 2, 3):
        assert counts[number] / 1500 == pytest.approx(so_many(number, beta), abs=0.035)
    assert sum(so_many(number, beta) for number in range(1, 200)) == pytest.approx(1)
    assert sum(number * so_many(number, beta) for number in range(1, 200)) == pytest.approx(math.exp(1 / beta))


def test_it_does_not_depend_on_the_rate_and_without_early_refresh_it_is_the_rate() -> None:
    assert mean_of(how_many(1, 400.0, 0.2, rounds=1000)) == pytest.approx(math.e, rel=0.08)
    assert mean_of(how_many(0, 400.0, 0.2, rounds=50)) == pytest.approx(1 + 80, rel=0.05)


def test_the_average_of_what_was_counted() -> None:
    assert mean_of(Counter({1: 3, 5: 1})) == 2
