import math

import pytest

from api_gateway.plotting.failures.stampede import recomputations, stampede, two_stampedes
from tests.support.figures import ys


@pytest.mark.parametrize(("single_flight", "calls", "last"), [(False, 1000, 5.0), (True, 1, 0.05)])
def test_a_thousand_calls_or_one(single_flight: bool, calls: int, last: float) -> None:
    found = stampede(single_flight=single_flight)
    assert found.calls == calls
    assert len(found.answered) == 1000
    assert found.answered[-1] == pytest.approx(last)


def test_the_queue_is_counted_from_the_expiry() -> None:
    found = stampede(single_flight=False, requests=40)
    assert found.queue[0][0] == pytest.approx(0)
    assert max(present for _, present in found.queue) == 40


def test_without_early_expiry_all_who_come_meanwhile_ask() -> None:
    assert recomputations(0, rounds=50) == pytest.approx(1 + 1000 * 0.2, rel=0.03)


@pytest.mark.parametrize("beta", [1, 2])
def test_with_it_a_constant_number_does(beta: float) -> None:
    assert recomputations(beta, rate=200.0, rounds=1000) == pytest.approx(math.exp(1 / beta), rel=0.08)
    slower = recomputations(beta, rate=100.0, rounds=1000)
    assert slower == pytest.approx(math.exp(1 / beta), rel=0.08)  # whatever the rate


def test_each_stampede_has_a_panel() -> None:
    found = {"a": stampede(single_flight=False, requests=40), "b": stampede(single_flight=True, requests=40)}
    figure, last = two_stampedes(found, "H")
    assert last == {"a": pytest.approx(0.2), "b": pytest.approx(0.05)}
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["a: 40 calls", "b: 1 call"]
    assert max(ys(figure.axes[0].lines[0])) == 40
    assert [text.get_text() for text in figure.axes[1].texts] == ["answered", "at the database"]
