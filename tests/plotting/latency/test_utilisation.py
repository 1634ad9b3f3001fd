"""Time against load, simulated and drawn."""

import pytest

from api_gateway.plotting.latency.utilisation import HIGHEST, mean_time, time_against_load
from tests.support.figures import xs, ys


def test_the_mean_time_is_erlangs() -> None:
    assert sum(mean_time(4, 0.5, 4000, seed) for seed in range(3)) / 3 == pytest.approx(1.087, rel=0.04)


def test_a_dot_for_each_run_and_a_line_for_each_number_of_workers() -> None:
    figure, theory = time_against_load({1: {0.5: [1.9, 2.1]}, 8: {0.8: [1.3]}}, "Load")
    assert theory[1] == pytest.approx({0.5: 2})
    assert theory[8] == pytest.approx({0.8: 1.286}, abs=1e-3)
    one, dots, eight, dot = figure.axes[0].lines
    assert (xs(dots), ys(dots)) == ([50, 50], [1.9, 2.1])
    assert (xs(dot), ys(dot)) == ([80], [1.3])
    assert max(ys(one)) <= HIGHEST
    assert max(xs(eight)) > max(xs(one)), "many workers can be busier for the same time"
