from matplotlib.collections import LineCollection

from api_gateway.plotting.rate_limiters.raster import admission_raster
from api_gateway.plotting.rate_limiters.replay import in_step, replay
from api_gateway.plotting.rate_limiters.traffic import steady
from api_gateway.plotting.style import ADMITTED, CONTEXT, REFUSED
from tests.support.figures import colour, xs

ARRIVALS = steady(30, 0.5, 2.5)
REPLAYS = {name: replay(make(), ARRIVALS) for name, make in in_step(10, 1, 5).items()}


def marks(collections: list[LineCollection], wanted: str) -> list[int]:
    return [len(one.get_segments()) for one in collections if colour(one) == wanted.lower()]


def test_there_is_a_mark_for_each_request_and_it_is_where_the_request_was() -> None:
    figure, admitted = admission_raster(REPLAYS, "A raster")
    assert admitted == {name: len(seen.admitted) for name, seen in REPLAYS.items()}
    rows = [one for one in figure.axes[0].collections if isinstance(one, LineCollection)]
    assert marks(rows, CONTEXT) == [len(ARRIVALS)]
    assert marks(rows, ADMITTED) == list(admitted.values())
    assert marks(rows, REFUSED) == [len(ARRIVALS) - count for count in admitted.values()]


def test_rows_are_named_from_top_to_bottom() -> None:
    figure, _ = admission_raster(REPLAYS, "A raster", notes={0.5: "it begins"})
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["asked", *REPLAYS]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert "it begins" in {text.get_text() for text in axes.texts}


def test_windows_are_marked_only_where_there_are_some() -> None:
    marked = admission_raster(REPLAYS, "A raster")[0].axes[0].lines
    assert [xs(line)[0] for line in marked] == [0, 1, 2]  # until 2.9, when the queue is empty
    assert not list(admission_raster(REPLAYS, "A raster", period=None)[0].axes[0].lines)


def test_a_limiter_that_refuses_all_is_a_row_too() -> None:
    nothing = REPLAYS["gcra"]._replace(
        decisions=tuple(one._replace(allowed=False) for one in REPLAYS["gcra"].decisions)
    )
    assert admission_raster({"nothing": nothing}, "A raster")[1] == {"nothing": 0}
