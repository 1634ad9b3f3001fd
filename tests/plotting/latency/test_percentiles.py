"""Percentiles of mixtures and of small samples."""

import pytest

from api_gateway.plotting.latency.percentiles import averages_beside_truth, sample_sizes, together
from api_gateway.plotting.latency.theory import exponential, what_samples_say
from tests.support.figures import xs, ys

FAST = [float(number % 100 + 1) for number in range(1000)]
SLOW = [1000 + value for value in FAST]


def test_together_has_the_shares_that_were_asked_for() -> None:
    assert together(FAST, SLOW, 0.99, 0.0) == 99
    assert together(FAST, SLOW, 0.99, 1.0) == 1099
    assert together(FAST, SLOW, 0.5, 0.5) == 100, "the slowest of the fast half"
    assert together(FAST, SLOW, 0.99, 0.1) == pytest.approx(1000 + 90, abs=3), "the p90 of the slow tenth"


def test_the_weighted_mean_is_a_straight_line_and_the_truth_is_not() -> None:
    figure, numbers = averages_beside_truth(FAST, SLOW, (exponential(10), exponential(100)), "Average")
    straight = [mean for _, mean in numbers.values()]
    ends = straight[0], straight[-1]
    assert straight == pytest.approx([ends[0] + share * (ends[1] - ends[0]) for share in numbers])
    assert numbers[0.5][0] == together(FAST, SLOW, 0.99, 0.5)
    assert ys(figure.axes[0].lines[1]) == pytest.approx(list(ends))


def test_each_piece_of_a_run_says_a_percentile_of_its_own() -> None:
    figure, bands = sample_sizes(FAST, exponential(20), 0.99, "Sizes")
    assert bands[1000] == what_samples_say(exponential(20), 0.99, 1000)
    _, *dots = figure.axes[0].lines
    assert [xs(line)[0] for line in dots] == [100, 300, 1000], "as far as there are requests"
    assert ys(dots[0]) == [99] * 10
