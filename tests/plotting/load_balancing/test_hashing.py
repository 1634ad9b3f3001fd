import statistics
from collections import Counter

import numpy
import pytest

from api_gateway.backend.consistent_hash_load_balancer import POINTS
from api_gateway.plotting.load_balancing.hashing import (
    endpoints,
    keys_that_move,
    moved,
    owners_by_remainder,
    owners_on_the_ring,
    ring_shares,
    ring_spread,
)
from api_gateway.plotting.style import ADMITTED
from tests.support.figures import xs


def test_owners_are_the_numbers_of_the_endpoints_also_when_one_is_missing() -> None:
    members = endpoints(5)
    for owners in (owners_on_the_ring, owners_by_remainder):
        assert set(owners(members, 200)) == {0, 1, 2, 3, 4}
        assert set(owners(members[:2] + members[3:], 200)) == {0, 1, 3, 4}


def test_our_ring_is_the_gateways() -> None:
    keys = 20_000
    counts = Counter(owners_on_the_ring(endpoints(5), keys))
    shares = ring_shares(5, POINTS)
    assert sum(shares) == pytest.approx(5)
    # What its balancer gives each endpoint is the share of our arcs, which differ from 1 by more than this.
    assert [counts[number] / keys * 5 for number in range(5)] == pytest.approx(shares, rel=0.05)
    assert max(shares) / min(shares) > 1.1


def test_a_row_has_a_stroke_for_each_key_and_says_how_many_move() -> None:
    before, after = [0, 1, 0, 1], [0, 1, 1, 1]
    assert moved(before, after) == [False, False, True, False]
    figure, shares = keys_that_move({"x": (before, after)}, "Moves")
    assert shares == {"x": 0.25}
    (axes,) = figure.axes
    places = [[float(numpy.asarray(path.vertices)[0, 0]) for path in marks.get_paths()] for marks in axes.collections]
    assert places == [[0, 2, 3], [1]], "in the order of the owner before: keys 0, 2, 1, 3"
    assert axes.texts[0].get_text() == "25.0% move"


def test_the_spread_is_the_standard_deviation_and_the_gateways_own_is_marked() -> None:
    figure, spread = ring_spread(20, (1, 16, POINTS), "Spread")
    assert spread[16] == statistics.pstdev(ring_shares(20, 16))
    assert spread[1] > 3 * spread[16] > 6 * spread[POINTS]
    (axes,) = figure.axes
    marked = [line for line in axes.lines if line.get_marker() == "o" and line.get_color() == ADMITTED]
    assert [set(xs(line)) for line in marked] == [{POINTS}]
