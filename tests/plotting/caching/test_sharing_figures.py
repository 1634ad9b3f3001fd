import pytest
from matplotlib.colors import to_hex

from api_gateway.plotting.caching.sharing import Shared, Waiters
from api_gateway.plotting.caching.sharing_figures import who_waits, whose_answers
from api_gateway.plotting.style import ADMITTED, REFUSED
from tests.support.figures import xs, ys


def test_a_mark_stands_where_who_asked_meets_whose_it_is() -> None:
    found = {"bad": Shared([("a", "a"), ("b", "a"), ("b", "a")], 1), "good": Shared([("a", "a"), ("b", "b")], 2)}
    figure, wrong = whose_answers(found, "users", "H")
    assert wrong == {"bad": 2, "good": 0}
    right, leak = figure.axes[0].lines
    assert (xs(leak), ys(leak)) == ([1], [0])
    assert (to_hex(leak.get_color()), to_hex(right.get_color())) == (REFUSED.lower(), ADMITTED.lower())
    assert leak.get_markersize() > right.get_markersize()  # it happened twice
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "bad:\n2 wrong, 1 of 3 to the service",
        "good:\nnone wrong, 2 of 2 to the service",
    ]


def test_waits_are_steps_at_first_and_again() -> None:
    found = {"lock": Waiters([1, 2, 3], [1, 2, 3]), "flight": Waiters([0.5, 1, 1], [0.5, 0.5, 0.5])}
    figure, last = who_waits(found, "H")
    assert last == {"lock": (3, 3), "flight": (1, 0.5)}
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["at first", "a second later"]
    assert xs(figure.axes[0].lines[0]) == pytest.approx([0, 1, 2, 3, 3.12])
    assert ys(figure.axes[1].lines[1]) == [0, 1, 2, 3, 3]
    assert "flight: 0.5 s" in [text.get_text() for text in figure.axes[1].texts]
