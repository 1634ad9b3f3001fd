from api_gateway.plotting.rate_limiters.replay import in_step
from api_gateway.plotting.rate_limiters.worst_window import Worst, worst_window_curves, worst_windows
from api_gateway.rate_limiting import FixedWindow, SlidingWindowLog
from tests.support.figures import ys


def test_a_curve_goes_from_an_instant_to_a_period() -> None:
    curve = worst_windows("fixed_window", FixedWindow(4, 2), grid=4)
    assert [worst.window for worst in curve] == [2, 500_000_000, 1_000_000_000, 1_500_000_000, 2_000_000_000]
    assert {(worst.found, worst.proven) for worst in curve} == {(8, 8)}


def test_each_limiter_has_a_panel_with_a_dot_for_each_length() -> None:
    subjects = {name: make() for name, make in in_step(4, 1, 4).items() if name in ("gcra", "sliding_window_log")}
    figure, curves = worst_window_curves(subjects, "The worst")
    assert curves["gcra"][-1] == Worst(1_000_000_000, 7, 7)
    assert isinstance(subjects["sliding_window_log"], SlidingWindowLog)
    for axes, curve in zip(figure.axes, curves.values(), strict=True):
        dots = next(line for line in axes.lines if line.get_marker() == "o")
        assert ys(dots) == [worst.found for worst in curve]
