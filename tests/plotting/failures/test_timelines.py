from matplotlib.patches import StepPatch
from numpy import asarray

from api_gateway.plotting.failures.timelines import Panel, what_clients_get
from api_gateway.plotting.style import ADMITTED, REFUSED
from api_gateway.simulation import Outcome
from tests.support.figures import stairs, xs, ys


def outcome(sent: float, status: int = 200, duration: float = 0.1) -> Outcome:
    return Outcome(sent, duration, status, "-", "", 1)


WELL = [outcome(second + part / 4) for second in range(8) for part in range(4)]
ILL = [outcome(one.sent, 503 if 2 <= one.sent < 4 else 200) for one in WELL]
LATE = [outcome(one.sent, duration=3.0 if one.sent >= 6 else 0.1) for one in WELL]


def test_requests_are_counted_in_the_second_in_which_they_were_sent() -> None:
    figure, felt = what_clients_get([Panel("a", ILL), Panel("b", LATE)], (2, 4), "H", patience=1, says="ill")
    assert [(one.asked, one.failed, one.failed_share) for one in felt.values()] == [(8, 8, 1.0), (8, 0, 0.0)]
    failed, answered = stairs(figure.axes[0])
    assert answered == [4, 4, 0, 0, 4, 4, 4]
    assert failed == [0, 0, 4, 4, 0, 0, 0]
    assert stairs(figure.axes[1])[0] == [0, 0, 0, 0, 0, 0, 4]


def test_an_unfinished_slice_at_the_end_is_not_drawn_as_a_fall() -> None:
    figure, _ = what_clients_get([Panel("a", [*WELL, outcome(8.2)])], (2, 4), "H", patience=1, says="ill")
    assert stairs(figure.axes[0])[1] == [4] * 8


def test_all_panels_have_the_same_scales() -> None:
    many = [outcome(one.sent) for one in WELL for _ in range(5)]
    figure, _ = what_clients_get([Panel("a", WELL), Panel("b", many)], (2, 4), "H", patience=1, says="ill")
    left, right = figure.axes
    assert left.get_ylim() == right.get_ylim()
    assert left.get_xlim() == right.get_xlim()


def test_what_nobody_felt_has_no_name() -> None:
    figure, _ = what_clients_get([Panel("a", ILL), Panel("b", WELL)], (2, 4), "H", patience=1, says="ill")
    assert {text.get_text() for text in figure.axes[0].texts} == {"failed or late", "answered", "ill"}
    assert {text.get_text() for text in figure.axes[1].texts} == {"answered", "ill"}
    colours = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert (colours["answered"], colours["failed or late"]) == (ADMITTED, REFUSED)


def test_a_panel_may_have_a_trigger_of_its_own() -> None:
    panels = [Panel("a", ILL), Panel("b", ILL, trigger=(3, 5), says="other")]
    figure, felt = what_clients_get(panels, (2, 4), "H", patience=1, says="ill")
    assert [one.failed for one in felt.values()] == [8, 4]
    assert "other" in {text.get_text() for text in figure.axes[1].texts}


def test_what_was_watched_is_drawn_below_with_its_limit() -> None:
    panels = [Panel("a", ILL, [(0, 1), (1, 9)]), Panel("b", WELL, [(0, 1), (1, 2)])]
    figure, _ = what_clients_get(panels, (2, 4), "H", patience=1, says="ill", below="held", limit=(5, "all"))
    below = figure.axes[2:]
    assert [xs(axes.lines[0]) for axes in below] == [[0, 1], [0, 1]]
    assert [ys(axes.lines[0]) for axes in below] == [[1, 9], [1, 2]]
    assert [ys(axes.lines[1]) for axes in below] == [[5, 5], [5, 5]]
    assert below[0].get_ylim() == below[1].get_ylim()
    assert below[0].get_ylabel() == "held"


def test_slices_may_be_shorter() -> None:
    figure, _ = what_clients_get([Panel("a", WELL)], (2, 4), "H", patience=1, says="ill", every=0.5)
    patch = next(patch for patch in figure.axes[0].patches if isinstance(patch, StepPatch))
    assert [float(edge) for edge in asarray(patch.get_data()[1])][:3] == [0, 0.5, 1]
    assert set(stairs(figure.axes[0])[1]) == {4.0}
