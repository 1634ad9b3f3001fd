from api_gateway.plotting.rate_limiters.costs import Cost, costs_beside_peers
from tests.support.figures import xs

COSTS = {
    "ours": Cost(400, 70, True),
    "ours too": Cost(900, 60, True),
    "theirs": Cost(5_000, 300, False),
    "theirs too": Cost(4_000, 250, False),
}


def test_the_cheapest_is_at_the_top_and_ours_are_filled() -> None:
    figure, _ = costs_beside_peers(COSTS, "Costs")
    left, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["theirs", "theirs too", "ours too", "ours"]
    for axes, values in ((left, [5000, 4000, 900, 400]), (right, [300, 250, 60, 70])):
        dots = [line for line in axes.lines if line.get_marker() == "o"]
        assert [xs(line) for line in dots] == [[value] for value in values]
        assert [line.get_markerfacecolor() == line.get_color() for line in dots] == [False, False, True, True]


def test_the_numbers_are_the_ends_that_face_each_other() -> None:
    assert costs_beside_peers(COSTS, "Costs")[1] == {
        "ours_slowest": 900,
        "peers_fastest": 4_000,
        "ours_largest": 70,
        "peers_smallest": 250,
    }
