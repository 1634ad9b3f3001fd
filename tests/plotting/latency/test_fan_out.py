"""Pages of several calls."""

import pytest

from api_gateway.plotting.latency.fan_out import (
    Page,
    lanes,
    pages,
    pages_with_a_slow_call,
    slowest_of_each,
    slowest_of_many,
)
from api_gateway.simulation import Exponential
from tests.support.figures import xs, ys


@pytest.mark.parametrize(("calls", "seconds", "in_turn"), [(7, 0.2, 1.4), (5, 0.3, 1.5)])
def test_the_seeds_pages_take_a_sum_in_turn_and_a_maximum_at_once(calls: int, seconds: float, in_turn: float) -> None:
    (slow,), (fast,) = pages(seconds, calls, at_once=False), pages(seconds, calls, at_once=True)
    assert slow.duration == pytest.approx(in_turn)
    assert fast.duration == pytest.approx(seconds)
    assert [start for start, _ in slow.calls] == pytest.approx([seconds * number for number in range(calls)])
    assert [start for start, _ in fast.calls] == [0] * calls


def test_a_page_takes_as_long_as_its_slowest_call() -> None:
    for page in pages(Exponential(0.2), 6, at_once=True, count=20):
        assert page.duration == pytest.approx(max(end - start for start, end in page.calls))


def test_calls_are_taken_so_many_at_a_time_and_a_rest_is_left_out() -> None:
    loaded = [Page(3, [(0, 1), (0, 3)]), Page(2, [(0, 2), (1, 2), (0, 0.5)])]
    assert slowest_of_each(loaded, 1) == [1, 3, 2, 1, 0.5]
    assert slowest_of_each(loaded, 2) == [3, 2]
    assert slowest_of_each(loaded, 5) == [3]


def test_lanes_have_a_bar_for_each_call() -> None:
    loaded = {"turn": Page(2.0, [(0, 1), (1, 2)]), "once": Page(1.0, [(0, 1), (0, 1)])}
    figure, seconds = lanes(loaded, ["a", "b"], "Lanes")
    assert seconds == {"turn": 2, "once": 1}
    bars = [[(patch.get_x(), patch.get_width()) for patch in axes.patches] for axes in figure.axes]  # type: ignore[attr-defined]  # bars are rectangles
    assert bars == [[(0, 1000), (1000, 1000)], [(0, 1000), (0, 1000)]]


def test_the_slowest_of_many_stands_beside_its_theory() -> None:
    figure, found = slowest_of_many([Page(3, [(0, 1), (0, 3)])], 2.0, "Slowest")
    assert found == {1: 2000, 2: 3000}
    flat, theory, dots = figure.axes[0].lines
    assert ys(flat) == [2000, 2000]
    assert ys(theory) == [2000, 3000]
    assert ys(dots) == [2000, 3000]


def test_pages_with_a_slow_call_are_counted() -> None:
    loaded = [Page(9, [(0, 1), (0, 9)]), Page(1, [(0, 1), (0, 1)])]
    figure, found = pages_with_a_slow_call(loaded, 5, "Slow", marked=[2])
    assert found == {1: 0.25, 2: 0.5}
    assert xs(figure.axes[0].lines[1]) == [1, 2]
