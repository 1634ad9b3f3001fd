import pytest

from api_gateway.plotting.rate_limiters.mistakes import judgements, mistakes_against_load
from api_gateway.rate_limiting import FixedWindow, SlidingWindowCounter, SlidingWindowLog
from tests.support.figures import ys

LOADS = [0.5, 1.0, 1.5]
FOUND = judgements(
    {
        "fixed": lambda: FixedWindow(10, 1),
        "log": lambda: SlidingWindowLog(10, 1),
        "counter": lambda: SlidingWindowCounter(10, 1),
    },
    10,
    1,
    LOADS,
    periods=60,
)


def test_all_limiters_are_asked_the_same_at_each_load() -> None:
    asked = [[one.asked for one in many] for many in FOUND.values()]
    assert asked[0] == asked[1] == asked[2]
    assert [count / 600 for count in asked[0]] == pytest.approx(LOADS, rel=0.15)


def test_the_figure_shows_the_shares_that_were_found() -> None:
    figure, most = mistakes_against_load(FOUND, LOADS, "Mistakes")
    assert most["log"] == (0, 0)
    assert most["fixed"][0] == 0
    assert most["fixed"][1] > 0.1
    assert most["counter"] == tuple(
        max(shares) for shares in zip(*((one.false_share, one.over_share) for one in FOUND["counter"]), strict=True)
    )
    left, right = figure.axes
    for axes, share in ((left, "false_share"), (right, "over_share")):
        lines = [line for line in axes.lines if line.get_marker() != "None"]
        drawn = [[value / 100 for value in ys(line)] for line in lines]
        assert drawn == [pytest.approx([getattr(one, share) for one in many]) for many in FOUND.values()]
