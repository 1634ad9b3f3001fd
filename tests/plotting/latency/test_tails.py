"""Tails beside theory, and over time."""

import math

from api_gateway.plotting.latency.tails import p99_over_time, survival_beside_theory
from api_gateway.plotting.latency.theory import exponential
from api_gateway.plotting.style import ADMITTED, CONTEXT, INK
from api_gateway.simulation import Outcome
from tests.support.figures import xs, ys


def test_dots_are_values_that_occurred_and_end_where_ten_speak_for_them() -> None:
    values = [-10 * math.log(1 - (number + 0.5) / 2000) for number in range(2000)]
    figure, numbers = survival_beside_theory({"a": values}, {"a": exponential(10)}, "Tail", "a")
    line, dots = figure.axes[0].lines[:2]
    assert dots.get_color() == ADMITTED
    assert set(xs(dots)) <= set(values)
    assert min(ys(dots)) >= 10 / 2000
    assert min(ys(line)) >= 3e-4
    assert [round(value) for value in numbers["a"].values()] == [7, 30, 46, 67]


def test_the_worst_is_of_each_run_and_the_first_run_is_the_background() -> None:
    def run(slow: float) -> list[Outcome]:
        return [Outcome(number / 10, slow if 40 <= number < 60 else 0.1, 200, "-", "", 1) for number in range(100)]

    runs = {"before": run(0.2), "after": run(0.3), "worse": run(9.0)}
    figure, worst = p99_over_time(runs, (4, 6), "Over time", "after")
    assert worst == {"before": 200, "after": 300, "worse": 9000}
    assert [line.get_color() for line in figure.axes[0].lines] == [CONTEXT, ADMITTED, INK]
    assert ys(figure.axes[0].lines[2]) == [100, 100, 9000, 100, 100, 100]
