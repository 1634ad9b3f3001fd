from collections import Counter
from functools import cache

import pytest

from api_gateway.plotting.retry_storms.crowd import CLIENTS, TAKES, Call, crowd, crowd_raster, summary


@cache
def none() -> list[Call]:
    return crowd("none")


def test_without_jitter_it_is_50_500_calls_exactly_and_always_all_that_are_left() -> None:
    assert len(none()) == 50_500
    left = list(Counter(call.time for call in none()).values())
    assert left == list(range(CLIENTS, 0, -TAKES))


@pytest.mark.parametrize(("jitter", "expected"), [("full", 7304), ("equal", 7116), ("decorrelated", 7484)])
def test_with_jitter_it_is_a_seventh(jitter: str, expected: int) -> None:
    calls = crowd(jitter)
    assert len(calls) == pytest.approx(expected, rel=0.04)
    assert summary(calls).over < 30


@pytest.mark.parametrize("jitter", ["none", "full"])
def test_everybody_is_served_once_and_never_more_than_ten_in_a_slot(jitter: str) -> None:
    taken = [call for call in (none() if jitter == "none" else crowd(jitter)) if call.taken]
    assert sorted(call.client for call in taken) == list(range(CLIENTS))
    assert max(Counter(int(call.time * 10 + 1e-6) for call in taken).values()) == TAKES


def test_the_raster_shows_the_first_seconds_and_counts_all() -> None:
    figure, numbers = crowd_raster({"no jitter": none()}, 1, "A crowd")
    refused, served = figure.axes[0].lines
    early = [call for call in none() if call.time <= 1]
    assert len(refused.get_xdata()) == sum(not call.taken for call in early)  # type: ignore[arg-type]  # they are sequences
    assert len(served.get_xdata()) == sum(call.taken for call in early)  # type: ignore[arg-type]  # likewise
    assert numbers["no jitter"] == summary(none())
    assert numbers["no jitter"].busiest == 990
    assert "50,500 calls, all served after 16 min" in figure.axes[0].get_title(loc="left")
