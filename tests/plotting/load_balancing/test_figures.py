"""The figures that draw what trials found: what is in them, and the numbers beside them."""

import pytest

from api_gateway.plotting.load_balancing.beside_theory import beside_theory
from api_gateway.plotting.load_balancing.hot_key import busiest_over_time
from api_gateway.plotting.load_balancing.laboratory import POLICIES, Trial
from api_gateway.plotting.load_balancing.many_gateways import knowledge_shared
from api_gateway.plotting.load_balancing.percentiles import latency_percentiles
from api_gateway.plotting.load_balancing.strips import load_strips
from api_gateway.plotting.load_balancing.theory import Expected
from api_gateway.plotting.load_balancing.turns import longest_run, naive_turns, turns_in_rows, turns_of
from api_gateway.plotting.style import ADMITTED, INK
from api_gateway.simulation import Outcome
from tests.support.figures import xs, ys


def found(durations: list[float], loads: list[list[float]] | None = None, servers: int = 2) -> Trial:
    outcomes = [
        Outcome(float(number), seconds, 200, "-", f"in-process://s/{number % servers}", 1)
        for number, seconds in enumerate(durations)
    ]
    return Trial(outcomes, loads or [[0.0], [0.0]], 1.0, [len(durations)])


def test_beside_theory_the_slowest_is_at_the_top_and_the_warm_up_is_left_out() -> None:
    trials = {"slow": found([99, 4, 4, 4]), "fast": found([99, 1, 2, 3])}
    figure, numbers = beside_theory(trials, {"slow": Expected(5, 9)}, Expected(1, 2), 1, "Beside")
    assert numbers == {"fast": (2, 3), "slow": (4, 4)}
    left, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["fast", "slow"]
    assert [xs(line) for line in left.lines] == [[2], [4]]
    assert [xs(line) for line in right.lines] == [[3], [4]]
    assert "theory" in [text.get_text() for text in left.texts]


def test_strips_say_the_share_the_worst_and_how_long_it_lasts() -> None:
    loads = [[0.0] * 10, [0.0, 0, 8, 9, 30, 20, 7, 5, 1, 0]]
    figure, noticed = load_strips({"policy": found([0.1] * 10, loads)}, 1, (2, 5), "Strips")
    assert noticed["policy"].share == pytest.approx(1 / 3), "number 3 of 2, 3, 4"
    assert (noticed["policy"].most, noticed["policy"].back) == (30, 1.0), "more than 5 until 6 s"
    cells = figure.axes[0].images[0].get_array()
    assert cells is not None
    assert cells.shape == (2, 10)
    assert [float(cell) for cell in cells[1]] == loads[1]


def test_a_server_that_is_never_busy_is_back_at_once() -> None:
    _, noticed = load_strips({"policy": found([0.1] * 10, [[1.0] * 10, [2.0] * 10])}, 1, (2, 5), "Strips")
    assert noticed["policy"].back == 0


def test_percentiles_are_durations_that_occurred_and_end_where_ten_speak_for_them() -> None:
    seconds = [float(number) for number in range(1, 1001)]
    figure, numbers = latency_percentiles({"a": seconds, "b": seconds[:500]}, "Percentiles", highlighted=["b"])
    assert numbers == {"a": {0.5: 500, 0.9: 900, 0.95: 950}, "b": {0.5: 250, 0.9: 450, 0.95: 475}}
    curves = [line for line in figure.axes[0].lines if len(xs(line)) > 2]
    assert [line.get_color() for line in curves] == [INK, ADMITTED]
    assert ys(curves[1])[-1] == 490, "the tenth from the end"
    assert set(ys(curves[0])) <= set(seconds)


def test_the_busiest_server_is_that_of_each_moment() -> None:
    trial = found([0.1] * 5, [[0, 5, 1, 0, 9], [2, 3, 4, 0, 7]])
    figure, most = busiest_over_time({"one": trial, "two": trial}, "two", "Busiest")
    assert most == {"one": 5, "two": 5}, "after the last request was sent nothing is drawn"
    assert ys(figure.axes[0].lines[0]) == [2, 5, 4, 1]


def test_many_gateways_are_compared_with_one() -> None:
    figure, worse = knowledge_shared({"a": {1: 1.0, 4: 2.0}, "b": {1: 2.0, 4: 2.5}}, 2.8, "Shared", "a")
    assert worse == {"a": 2.0, "b": 1.25}
    blind, *lines = figure.axes[0].lines
    assert ys(blind) == [2.8, 2.8]
    assert [ys(line) for line in lines] == [[1.0, 2.0], [2.0, 2.5]]


def test_turns_are_the_balancers_and_the_longest_run_goes_over_the_end_of_a_round() -> None:
    weights = {"a": 5, "b": 1, "c": 1}
    smooth = turns_of(POLICIES["round_robin"](None, None), weights)  # type: ignore[arg-type]  # neither is looked at
    assert smooth == "abcabca"
    assert naive_turns(weights, 2) == "aaaaabcaaaaabc"
    assert longest_run("aabacaaaab") == 4
    figure, runs = turns_in_rows({"x": "aab", "y": "aba"}, {"a": 2, "b": 1}, "Turns")
    assert runs == {"x": 2, "y": 1}
    squares = [[xs(line) for line in axes.lines if line.get_marker() == "s"] for axes in figure.axes]
    assert squares == [[[1, 2], [3]], [[1, 3], [2]]]
