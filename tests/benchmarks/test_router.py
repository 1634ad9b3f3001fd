import pytest

from api_gateway import Router
from benchmarks.machine import Machine
from benchmarks.router import SIZES, requests_for, routes, run


@pytest.mark.parametrize("size", [10, 100])
def test_what_is_asked_of_a_table_is_in_it(size: int) -> None:
    router = Router(routes(size))
    names = {router.match(request).route.name for request in requests_for(size, 20 * size)}
    assert names == {route.name for route in routes(size)}


def test_the_same_ten_are_asked_of_every_table() -> None:
    large = Router(routes(100))
    small = Router(routes(10))
    for request in requests_for(10, 50):
        assert large.match(request).route.name == small.match(request).route.name


def test_every_size_is_measured() -> None:
    report = run(Machine(()), matches=20, rounds=3)
    costs = report.figures["same_ten_microseconds"]
    assert isinstance(costs, dict)
    assert tuple(costs) == SIZES
    assert all(cost > 0 for cost in costs.values())
    assert report.bars[0].value == costs[10_000] / costs[10]
