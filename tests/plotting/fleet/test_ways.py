from api_gateway.plotting.fleet.ways import prices_of_ways
from tests.support.figures import xs

NONE = (0.0, 0.0)


def test_each_way_has_a_filled_and_a_hollow_dot_for_each_price() -> None:
    figure = prices_of_ways(
        {"a": (0.6, 0.3), "b": NONE}, {"a": NONE, "b": (0.1, 0.4)}, {"a": NONE, "b": (1.0, 1.0)}, "x"
    )
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a", "b"]
    drawn = []
    for axes in figure.axes:
        dots = [line for line in axes.lines if line.get_marker() == "o"]
        drawn.append([(xs(line)[0], line.get_markerfacecolor() == "white") for line in dots])
    assert drawn[0] == [(30, True), (60, False), (0, True), (0, False)]
    assert drawn[1] == [(0, True), (0, False), (40, True), (10, False)]
    assert drawn[2] == [(0, True), (0, False), (100, True), (100, False)]


def test_the_dots_are_named_where_they_are_farthest_apart() -> None:
    figure = prices_of_ways({"a": NONE, "b": (0.5, 0.2)}, {"a": (0.1, 0.1)}, {"a": (0.1, 0.1)}, "x")
    named = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    assert set(named) == {"even", "uneven"}
    assert [text.xy for text in figure.axes[0].texts] == [(50, 1), (20, 1)]  # type: ignore[attr-defined]  # annotations
