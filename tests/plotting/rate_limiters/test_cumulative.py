from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.plotting.rate_limiters.cumulative import cumulative_admissions, excess
from api_gateway.plotting.rate_limiters.replay import in_step, replay
from api_gateway.plotting.rate_limiters.traffic import steady
from api_gateway.rate_limiting import Quota

QUOTA = Quota(limit=3, period=10, burst=2)


@given(st.lists(st.integers(0, 40), min_size=1).map(sorted))
def test_the_excess_is_that_of_the_worst_of_all_stretches(times: list[int]) -> None:
    stretches = [(first, last) for last in range(len(times)) for first in range(last + 1)]
    worst = max(
        last - first + 1 - QUOTA.burst - Fraction((times[last] - times[first]) * QUOTA.limit, QUOTA.period)
        for first, last in stretches
    )
    assert excess(times, QUOTA) == pytest.approx(float(worst))


def test_of_nothing_there_is_no_excess() -> None:
    assert excess([], QUOTA) == 0


def test_each_limiter_has_a_panel_that_says_how_it_did() -> None:
    flood = steady(200, 0.95, 2.45)
    passed = {name: replay(make(), flood).left for name, make in in_step(10, 1, 10).items()}
    figure, above = cumulative_admissions(passed, flood, Quota.of(10, 1, 10), "The line")
    assert above["fixed_window"] > 9
    assert above["token_bucket"] == above["gcra"] == 0
    assert above["leaky_bucket_queue"] < 0
    said = {axes.get_title(loc="left"): axes.texts[0].get_text() for axes in figure.axes}
    assert said["fixed_window"] == "9.1 above\nthe line"
    assert said["gcra"] == "never above\nthe line"
