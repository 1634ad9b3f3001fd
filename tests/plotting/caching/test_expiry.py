import pytest

from api_gateway.plotting.caching.expiry import CAPACITY, at_expiry, load_at_expiry
from api_gateway.plotting.style import ADMITTED, REFUSED
from tests.support.figures import stairs


def test_without_single_flight_everybody_asks_and_everything_else_waits_behind() -> None:
    crowd = at_expiry(single_flight=False, clients=200)
    assert crowd.at_expiry() == 200
    assert max(got.duration for got in crowd.page) == pytest.approx(200 / CAPACITY, rel=0.1)
    assert max(got.duration for got in crowd.rest) > 0.3


def test_with_it_one_asks_for_all() -> None:
    crowd = at_expiry(single_flight=True, clients=200)
    assert len(crowd.asked) == 2  # at first, and at the expiry
    assert crowd.asked[1] == 5
    assert {got.status for got in crowd.page} == {200}
    assert max(got.duration for got in (*crowd.page, *crowd.rest)) < 0.05


def test_both_meet_the_same_other_requests() -> None:
    one, other = (at_expiry(single_flight=each, clients=1).others for each in (True, False))
    assert one == other
    assert len(one) > 800


def test_each_crowd_has_a_column_of_load_and_waits() -> None:
    crowds = {"each": at_expiry(single_flight=False, clients=50), "one": at_expiry(single_flight=True, clients=50)}
    figure, felt = load_at_expiry(crowds, "H")
    assert (felt["each"].asked, felt["one"].asked) == (50, 1)
    assert felt["one"].page == pytest.approx(0.02)
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == [
        "each: 50 to the origin",
        "one: 1 to the origin",
    ]
    assert [max(stairs(axes)[1]) for axes in figure.axes[:2]] == [50, 1]
    words = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert "20 ms at most" in words
    assert {text.get_color() for text in figure.axes[0].texts} >= {REFUSED}
    assert {text.get_color() for text in figure.axes[2].texts} >= {ADMITTED}
