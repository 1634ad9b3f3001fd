import pytest

from api_gateway.plotting.caching.popularity import Scan, best, che, zipf
from api_gateway.plotting.caching.popularity_figures import ratio_around_a_scan, ratio_by_room
from tests.support.figures import stairs, xs, ys

SHARES = zipf(100, 0.9)


def test_dots_stand_beside_the_lines_of_theory() -> None:
    figure, theory = ratio_by_room(
        {"least recently used": {2: 0.1, 50: 0.6}, "S3-FIFO": {2: 0.2, 50: 0.7}}, SHARES, "H"
    )
    assert theory == {2: che(SHARES, 2), 50: che(SHARES, 50)}
    best_line, che_line, squares, dots = figure.axes[0].lines
    assert ys(best_line)[-1] == pytest.approx(100 * best(SHARES, 50))
    assert ys(che_line)[0] == pytest.approx(100 * che(SHARES, 2))
    assert (xs(squares), ys(squares)) == ([2, 50], [10, 60])
    assert ys(dots) == pytest.approx([20, 70])
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["2 %", "50 %"]


def test_a_fall_is_from_before_the_scan_to_its_lowest() -> None:
    ratios = [0.1, 0.5, 0.6, 0.7, 0.3, 0.2, 0.6]
    figure, fall = ratio_around_a_scan({"S3-FIFO": ratios}, Scan(400, 200), 100, "H")
    assert fall == {"S3-FIFO": pytest.approx(0.4)}
    assert stairs(figure.axes[0]) == [pytest.approx([100 * ratio for ratio in ratios])]
