from collections import Counter

import pytest

from api_gateway.plotting.caching.early import so_many, too_late
from api_gateway.plotting.caching.early_figures import crowds_of_refreshes, lateness, moments, waits, waits_over_time
from tests.support.figures import xs, ys


def test_without_early_refresh_those_who_come_meanwhile_wait_and_with_it_nobody_does() -> None:
    late, early = waits(0), waits(1)
    assert late.waited() == pytest.approx(3 * 100 * 0.2, abs=20)
    assert early.waited() == 0
    assert len(late.asked) == 4
    assert 4 < len(early.asked) <= 7


def test_each_run_has_a_panel_that_says_how_many_waited() -> None:
    found = {"late": waits(0, seconds=12), "early": waits(1, seconds=12)}
    figure, waited = waits_over_time(found, "H")
    assert waited["early"] == 0 < waited["late"]
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        f"late: {waited['late']} wait after the first answer",
        "early: nobody waits after the first answer",
    ]


def test_moments_stand_left_of_the_end() -> None:
    begun = {1.0: [number / 100 for number in range(1, 101)]}
    figure, means = moments(begun, 100, 0.2, "H")
    assert means == {1: pytest.approx(0.505)}
    curve, dots = figure.axes[0].lines
    assert max(xs(curve)) == 0
    assert max(xs(dots)) < 0
    assert ys(dots) == pytest.approx([5.0 * number for number in range(1, 20)])
    assert xs(dots) == sorted(xs(dots))


def test_lateness_has_its_theory_at_the_same_places() -> None:
    figure, theory = lateness({1: {0.1: 0.9, 10: 0.1}}, "H")
    assert theory == {1: {0.1: too_late(1, 0.1), 10: too_late(1, 10)}}
    assert ys(figure.axes[0].lines[1]) == [90, 10]


def test_how_many_refresh_are_bars_beside_rings() -> None:
    figure, means = crowds_of_refreshes({1: Counter({1: 1, 3: 1}), 2: Counter({1: 4})}, "H", most=4)
    assert means == {1: 2, 2: 1}
    first, second = figure.axes
    assert [patch.get_height() for patch in first.patches] == [50, 0, 50, 0]  # type: ignore[attr-defined]  # bars
    assert ys(second.lines[0]) == pytest.approx([100 * so_many(number, 2) for number in range(1, 5)])
    assert first.get_title(loc="left") == "β = 1: 2.00 on average, theory 2.72"
