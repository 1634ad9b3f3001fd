"""Share: the decimal that was written, not the float beside it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.resilience.share import Share


@given(st.integers(1, 100), st.integers(1, 50))
def test_n_percent_is_reached_by_n_of_a_hundred_and_not_by_less(percent: int, hundreds: int) -> None:
    share = Share.of("rate", percent / 100)
    assert share.reached_by(percent * hundreds, 100 * hundreds)
    assert not share.reached_by(percent * hundreds - 1, 100 * hundreds)


def test_seven_of_a_hundred_are_seven_percent_which_floats_deny() -> None:
    assert 7 < 0.07 * 100
    assert Share.of("rate", 0.07).reached_by(7, 100)


@pytest.mark.parametrize("value", [0, -0.1, 1.01, float("nan"), float("inf")])
def test_what_is_no_share_is_an_error_with_the_name(value: float) -> None:
    with pytest.raises(ValueError, match="failure_rate must be greater than 0 and at most 1"):
        Share.of("failure_rate", value)
