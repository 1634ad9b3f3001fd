import pytest

from api_gateway.plotting.failures.availability import Life, fleet, lost_by_gateways, minutes_a_year, nines, simulated
from tests.support.figures import xs, ys

HOUR = 3600.0


def test_two_of_99_percent_make_four_nines_by_arithmetic() -> None:
    assert Life().alone == pytest.approx(0.01)
    assert [Life().lost(count) for count in (1, 2, 3)] == pytest.approx([1e-2, 1e-4, 1e-6])
    assert nines(Life().lost(2)) == "99.99 %"
    assert [nines(lost) for lost in (0.01, 1.28e-4, 1e-3)] == ["99 %", "99.98 %", "99.9 %"]
    assert minutes_a_year(1e-4) == pytest.approx(52.56)


@pytest.mark.parametrize("gateways", [1, 2, 3])
def test_independent_failures_are_as_arithmetic_says(gateways: int) -> None:
    life = Life(mtbf=9 * HOUR, mttr=HOUR)  # a tenth of the time, so that three are down together now and then
    assert simulated(life, gateways, years=40) == pytest.approx(0.1**gateways, rel=0.12)


def test_time_to_notice_is_lost_whatever_the_number() -> None:
    life = Life(mtbf=9 * HOUR, mttr=HOUR, detection=60.0)
    for gateways in (3, 4):
        own = 0.1**gateways
        assert simulated(life, gateways, years=40) - own == pytest.approx(60 / (10 * HOUR), rel=0.15)


def test_a_death_shorter_than_the_time_to_notice_costs_no_more_than_itself() -> None:
    life = Life(mtbf=99 * HOUR, mttr=HOUR, detection=1e9)
    assert simulated(life, 5, years=40) == pytest.approx(0.01, rel=0.1)


def test_causes_in_common_are_a_floor() -> None:
    life = Life(common=0.1)
    assert simulated(life, 4, years=400) == pytest.approx(1e-3, rel=0.15)
    assert life.lost(4) == pytest.approx(1e-3, rel=0.01)


def test_everything_in_common_is_one_gateway() -> None:
    life = Life(common=1.0)
    assert simulated(life, 3, years=100) == pytest.approx(life.alone, rel=0.1)


def test_one_gateway_is_a_single_point_of_failure_and_three_lose_a_third_until_it_is_noticed() -> None:
    dead = (4.0, 12.0)
    alone, together = (fleet(count, dead, interval=1.0, seconds=16.0) for count in (1, 3))
    assert alone.good("clients", *dead) == 0
    failures = [outcome.sent for outcome in together.flows["clients"] if outcome.status >= 500]
    assert 4 <= min(failures) <= max(failures) < 4 + 2 * 1.1 + 0.5
    assert len(failures) == pytest.approx((max(failures) - 4) * 100 / 3, rel=0.2)
    assert together.good("clients", 7, 16) == 1


def test_lines_are_arithmetic_and_dots_are_drawn() -> None:
    lives = {"a": Life(), "b": Life(detection=10), "c": Life(common=0.1)}
    figure, lost = lost_by_gateways(lives, {"a": {1: 0.011, 2: 0.0001}}, 3, "H")
    assert lost["a"] == {1: pytest.approx(1e-2), 2: pytest.approx(1e-4), 3: pytest.approx(1e-6)}
    line, dots = figure.axes[0].lines[:2]
    assert ys(line) == pytest.approx([1e-2, 1e-4, 1e-6])
    assert (xs(dots), ys(dots)) == ([1, 2], [0.011, 0.0001])
    assert {"a", "b", "c"} <= {text.get_text() for text in figure.axes[0].texts}
