import pytest

from api_gateway.plotting.retry_storms.amplification import (
    amplification,
    beside_the_formula,
    calls_per_request,
    through_layers,
)
from tests.support.figures import ys


def test_the_formula_at_its_ends_and_between() -> None:
    assert amplification(0, 3) == 1
    assert amplification(1, 3) == 4
    assert amplification(0.5, 2) == 1 + 0.5 + 0.25
    assert amplification(1, 3, layers=2) == 16
    assert amplification(0.999999, 3) == pytest.approx(4, abs=1e-4)
    assert amplification(0.5, 1, layers=2) == amplification(0.5, 3)


def test_what_is_counted_is_theorys_and_the_same_each_time() -> None:
    assert calls_per_request(0.5, 3, 1000) == pytest.approx(amplification(0.5, 3), rel=0.05)
    assert calls_per_request(0.5, 3, 100) == calls_per_request(0.5, 3, 100) != calls_per_request(0.5, 3, 100, seed=2)
    assert calls_per_request(1, 2, 1, layers=3) == 27


def test_dots_are_counted_lines_are_theory_and_the_worst_dot_is_told() -> None:
    figure, off = beside_the_formula({1: {0.5: 1.65, 1.0: 2.0}}, "One retry")
    line, dots = figure.axes[0].lines
    assert ys(dots) == [1.65, 2.0]
    assert ys(line)[50] == 1.5
    assert off == {1: pytest.approx(0.1)}


def test_layers_are_drawn_beside_the_power() -> None:
    figure, most = through_layers({1: [2, 4], 3: [4, 16]}, "Two layers")
    assert [ys(line) for line in figure.axes[0].lines] == [[2, 4], [2, 4], [4, 16], [4, 16]]
    assert most == {1: 4, 3: 16}
