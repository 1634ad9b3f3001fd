import random

import pytest

from api_gateway.plotting.rate_limiters.traffic import burst, merged, poisson, steady
from api_gateway.rate_limiting.rate_limiter import NANOSECONDS


def test_steady_traffic_is_even_and_ends_before_the_end() -> None:
    assert steady(4, 1, 2) == [1_000_000_000, 1_250_000_000, 1_500_000_000, 1_750_000_000]


def test_a_burst_comes_at_once_or_within_a_time() -> None:
    assert burst(3, 2) == [2 * NANOSECONDS] * 3
    assert burst(2, 1, 0.5) == [1_000_000_000, 1_250_000_000]


def test_poisson_traffic_has_its_rate_and_its_spread() -> None:
    arrivals = poisson(50, 400, random.Random(3))
    assert arrivals == sorted(arrivals)
    assert arrivals[0] > 0
    assert arrivals[-1] < 400 * NANOSECONDS
    counts = [sum(second <= now // NANOSECONDS < second + 1 for now in arrivals) for second in range(0, 400, 8)]
    mean = sum(counts) / len(counts)
    assert mean == pytest.approx(50, rel=0.1)
    assert sum((count - mean) ** 2 for count in counts) / len(counts) == pytest.approx(mean, rel=0.6)


def test_the_same_seed_is_the_same_traffic() -> None:
    assert poisson(5, 20, random.Random(1)) == poisson(5, 20, random.Random(1))
    assert poisson(5, 20, random.Random(1)) != poisson(5, 20, random.Random(2))


def test_parts_are_merged_in_order_of_time() -> None:
    assert merged([3, 5], [1, 4]) == [1, 3, 4, 5]
