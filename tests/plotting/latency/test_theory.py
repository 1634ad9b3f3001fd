"""The formulas, against numbers that can be had another way."""

import math
from random import Random

import pytest

from api_gateway.plotting.latency.theory import (
    exponential,
    hedged,
    lognormal,
    meets_a_slow_one,
    mixture,
    percentile,
    quantile,
    slowest_of_exponentials,
    uniform,
    what_samples_say,
)


def test_the_slowest_of_exponentials_is_the_harmonic_number() -> None:
    assert slowest_of_exponentials(1) == 1
    assert slowest_of_exponentials(2) == 1.5
    assert slowest_of_exponentials(7) == pytest.approx(363 / 140)


def test_of_a_hundred_calls_63_percent_meet_the_slowest_one_percent() -> None:
    assert meets_a_slow_one(1) == pytest.approx(0.01)
    assert meets_a_slow_one(100) == pytest.approx(0.634, abs=5e-4)


def test_quantiles_of_known_distributions() -> None:
    assert quantile(exponential(5), 0.95) == pytest.approx(5 * math.log(20))
    assert quantile(uniform(1000), 0.9) == pytest.approx(900)
    assert quantile(lognormal(10, 1), 0.5) == pytest.approx(10)
    assert quantile(lognormal(10, 1), 0.99) == pytest.approx(10 * math.exp(2.3263), rel=1e-4)


def test_hedging_changes_nothing_before_its_delay_and_multiplies_after_it() -> None:
    one = mixture([(0.99, exponential(5)), (0.01, uniform(1000))])
    two = hedged(one, 16)
    assert two(10) == one(10)
    assert two(16) == one(16), "the second call has taken no time yet"
    assert two(40) == one(40) * one(24)
    assert quantile(one, 0.999) == pytest.approx(900)
    assert quantile(two, 0.999) == pytest.approx(29.3, abs=0.1)


def test_a_percentile_is_a_value_that_occurred() -> None:
    values = [float(number) for number in range(1, 101)]
    assert [percentile(values, share) for share in (0.0, 0.5, 0.99, 0.999, 1.0)] == [1, 50, 99, 100, 100]


@pytest.mark.parametrize(("share", "count"), [(0.99, 100), (0.99, 1000), (0.5, 40)])
def test_what_samples_say_holds_for_95_of_a_hundred_samples(share: float, count: int) -> None:
    low, high = what_samples_say(exponential(1), share, count)
    random = Random(f"{share} {count}")
    inside = sum(
        low <= percentile(sorted(random.expovariate(1) for _ in range(count)), share) <= high for _ in range(600)
    )
    assert 0.92 < inside / 600 < 0.98


def test_more_samples_say_more() -> None:
    widths = [high - low for size in (100, 1000, 10_000) for low, high in [what_samples_say(exponential(1), 0.9, size)]]
    assert widths == sorted(widths, reverse=True)
