"""An X-ray that took no time, by the order of things."""

from itertools import pairwise

from api_gateway.plotting.xray.in_order import in_order
from tests.support.xrays import step


def test_coming_and_going_take_one_unit_each() -> None:
    first = in_order(step("outer", step("inner", step("service"))))
    assert [(one.began, one.duration) for _, one in first.walk()] == [(0, 5), (1, 3), (2, 1)]
    assert [list(one.own_times()) for _, one in first.walk()] == [[(0, 1), (4, 5)], [(1, 2), (3, 4)], [(2, 3)]]


def test_at_each_moment_one_step_is_asked() -> None:
    first = in_order(step("retry", step("breaker", step("service")), step("breaker", step("service"))))
    pieces = sorted(piece for _, one in first.walk() for piece in one.own_times())
    assert pieces[0][0] == 0
    assert all(before[1] == after[0] for before, after in pairwise(pieces))
    assert pieces[-1][1] == first.duration
