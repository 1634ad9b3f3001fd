from collections.abc import Iterator
from itertools import count

from api_gateway.plotting.load_balancing.costs import cost_of_a_choice, nanoseconds_of_a_choice
from api_gateway.plotting.load_balancing.laboratory import POLICIES
from tests.support.figures import ys


def test_the_least_of_the_rounds_counts_for_each_choice() -> None:
    times: Iterator[int] = iter([0, 1000, 1000, 1500, 2000, 5000])
    cost = nanoseconds_of_a_choice(POLICIES["random"], 3, lambda: next(times), choices=10, rounds=3)
    assert cost == 50


def test_every_policy_can_be_measured() -> None:
    for name, make in POLICIES.items():
        times = count(0, 70)
        assert nanoseconds_of_a_choice(make, 12, lambda times=times: next(times), choices=7) == 10, name  # type: ignore[misc]


def test_growth_is_from_the_fewest_endpoints_to_the_most() -> None:
    figure, growth = cost_of_a_choice({"a": {10: 100.0, 1000: 150.0}, "b": {10: 50.0, 1000: 5000.0}}, ["b"], "Costs")
    assert growth == {"a": 1.5, "b": 100}
    assert [ys(line) for line in figure.axes[0].lines] == [[100, 150], [50, 5000]]
    assert [text.get_text() for text in figure.axes[0].texts] == ["a", "b"]
