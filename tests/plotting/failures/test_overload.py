import pytest

from api_gateway.middleware.bulkhead import BulkheadMiddleware
from api_gateway.middleware.load_shedding import LoadSheddingMiddleware
from api_gateway.plotting.failures.overload import (
    CAPACITY,
    READS,
    SERVES,
    WAYS,
    Goodput,
    busy_gateway,
    goodput,
    goodput_by_offer,
)
from tests.support.figures import xs, ys


@pytest.mark.parametrize("way", WAYS)
def test_below_the_capacity_every_way_is_alike(way: str) -> None:
    found = goodput(way, 500, 1.5)
    assert found.in_time == pytest.approx(500, rel=0.1)


def test_above_it_only_two_ways_are_of_use_and_all_are_busy() -> None:
    found = {way: goodput(way, 3000, 1.5) for way in WAYS}
    assert found["first in, first out"].in_time == 0
    assert found["drop the expired"].in_time < 0.1 * CAPACITY
    assert min(found[way].in_time for way in ("bounded queue", "expected wait")) > 0.9 * CAPACITY
    assert min(one.done for one in found.values()) > 0.9 * CAPACITY


def test_a_gateway_without_a_moment_left_answers_nobody_and_with_shedding_what_it_can() -> None:
    assert busy_gateway(600) == pytest.approx(600, rel=0.1)
    assert busy_gateway(3000) == 0
    shed = busy_gateway(3000, [LoadSheddingMiddleware(BulkheadMiddleware(10_000))])
    assert shed == pytest.approx((1 - 3000 * READS) / SERVES, rel=0.1)


def test_a_line_for_each_way_and_its_end_as_a_share() -> None:
    points = {
        "a": [Goodput(500, 500, 500), Goodput(2000, 0, 1000)],
        "b": [Goodput(500, 500, 500), Goodput(2000, 900, 1000)],
    }
    figure, left = goodput_by_offer(points, "H", ["b"])
    assert left == {"a": 0, "b": 0.9}
    lines = figure.axes[0].lines[1:]
    assert [ys(line) for line in lines] == [[500, 0], [500, 900]]
    assert xs(lines[0]) == [500, 2000]
    assert [text.get_text() for text in figure.axes[0].texts] == ["capacity", "a: 0", "b: 900"]
