import pytest

from api_gateway.plotting.fleet.fleet import Answer
from api_gateway.plotting.fleet.report import report
from api_gateway.rate_limiting.limit_store import Limit

LIMIT = Limit("l", "gcra", 1, 1.0, 2)
SECOND = 10**9


def answer(second: float, *, allowed: bool, waited: int = 0) -> Answer:
    now = round(second * SECOND)
    return Answer(0, now - waited, now, allowed)


def test_an_admission_for_which_nothing_is_left_is_one_too_many() -> None:
    given = [answer(0, allowed=True), answer(0, allowed=True), answer(0, allowed=True), answer(1, allowed=True)]
    assert report(given, LIMIT).too_many == 1
    assert report(given, LIMIT).too_many_share == 0.25


def test_a_refusal_is_wrong_while_something_is_left() -> None:
    given = [answer(0, allowed=True), answer(0, allowed=False), answer(0, allowed=True), answer(0, allowed=False)]
    assert report(given, LIMIT).wrongly_refused == 1
    assert report(given, LIMIT).wrong_share == 0.25


def test_waiting_is_a_share_and_the_slowest_of_a_hundred() -> None:
    given = [answer(second, allowed=True) for second in range(150)]
    given += [answer(second, allowed=True, waited=second * 1_000_000) for second in range(150, 200)]
    found = report(given, LIMIT)
    assert (found.asked, found.admitted, found.too_many, found.wrongly_refused, found.waited) == (200, 200, 0, 0, 50)
    assert found.slowest == pytest.approx(197)
    assert found.waited_share == 0.25
