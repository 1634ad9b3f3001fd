import pytest

from api_gateway.plotting.caching.laboratory import Got
from api_gateway.plotting.caching.staleness import Load, Outage, share_past_its_end
from api_gateway.plotting.caching.staleness_figures import ages_in_an_outage, stale_by_load
from tests.support.figures import xs, ys

GOOD, OLD, BAD = Got(1, 0, 200, 3), Got(25, 0, 200, 12), Got(26, 0, 502, 0)


def test_answers_stand_at_their_age_and_failures_below() -> None:
    found = {"a": Outage([GOOD, BAD], [1, 26]), "b": Outage([GOOD, OLD], [1])}
    figure, failed = ages_in_an_outage(found, "H")
    assert failed == {"a": 1, "b": 0}
    titles = [axes.get_title(loc="left") for axes in figure.axes[:2]]
    assert titles == ["a: 1 without an answer", "b: nobody without an answer"]
    first, second = figure.axes[:2]
    assert (xs(first.lines[1]), ys(first.lines[1])) == ([1], [3])
    assert xs(first.lines[2]) == [26]
    assert ys(second.lines[1]) == [3, 12]
    assert "origin asked 2 times" in [text.get_text() for text in first.texts]


def test_waits_and_stale_answers_stand_beside_theory() -> None:
    found = {False: {0.1: Load(0, 0.5, 1), 10: Load(0, 0.03, 1)}, True: {0.1: Load(0.4, 0, 1), 10: Load(0.02, 0, 1)}}
    figure, theory = stale_by_load(found, 10, "H")
    assert theory == {rate: share_past_its_end(rate, 10) for rate in (0.1, 10)}
    _, waited, stale = figure.axes[0].lines
    assert ys(waited) == pytest.approx([50, 3])
    assert ys(stale) == pytest.approx([40, 2])
