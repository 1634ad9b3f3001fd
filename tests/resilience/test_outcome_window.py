"""Outcome windows against an oracle that keeps every outcome for ever."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.resilience.outcome_window import CountWindow, Outcomes, OutcomeWindow, TimeWindow

Ended = tuple[int, bool, bool]

calls = st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.booleans()), max_size=200)


def _tally(ended: list[Ended]) -> Outcomes:
    return Outcomes(len(ended), sum(failed for _, failed, _ in ended), sum(slow for _, _, slow in ended))


def _dated(steps: list[Ended]) -> list[Ended]:
    """The steps as times since the start, not since the step before."""
    now, dated = 0, []
    for step, failed, slow in steps:
        now += step
        dated.append((now, failed, slow))
    return dated


@settings(deadline=None)
@given(calls, st.integers(1, 30))
def test_a_window_by_count_is_the_last_calls_exactly(steps: list[Ended], size: int) -> None:
    window = CountWindow(size)
    history = _dated(steps)
    for index, (now, failed, slow) in enumerate(history):
        window.record(now, failed=failed, slow=slow)
        assert window.outcomes(now) == _tally(history[: index + 1][-size:])


@settings(deadline=None)
@given(calls, st.integers(1, 5), st.integers(1, 12), st.integers(0, 100))
def test_a_window_by_time_is_the_last_buckets_exactly(steps: list[Ended], width: int, buckets: int, wait: int) -> None:
    window = TimeWindow(width * buckets, buckets)
    history = _dated(steps)
    for index, (now, failed, slow) in enumerate(history):
        window.record(now, failed=failed, slow=slow)
        inside = [call for call in history[: index + 1] if call[0] // width > now // width - buckets]
        assert window.outcomes(now) == _tally(inside)
    later = (history[-1][0] if history else 0) + wait
    inside = [call for call in history if call[0] // width > later // width - buckets]
    assert window.outcomes(later) == _tally(inside)


@settings(deadline=None)
@given(calls, st.integers(1, 5), st.integers(2, 12))
def test_a_window_by_time_holds_between_all_buckets_but_one_and_all(steps: list[Ended], width: int, n: int) -> None:
    window = TimeWindow(width * n, n)
    history = _dated(steps)
    for index, (now, failed, slow) in enumerate(history):
        window.record(now, failed=failed, slow=slow)
        ages = [now - then for then, _, _ in history[: index + 1]]
        surely = sum(age <= width * (n - 1) for age in ages)
        possibly = sum(age < width * n for age in ages)
        assert surely <= window.outcomes(now).calls <= possibly


@pytest.mark.parametrize("window", [CountWindow(3), TimeWindow(30, 3)])
def test_a_cleared_window_knows_nothing(window: OutcomeWindow) -> None:
    for now in range(5):
        window.record(now, failed=True, slow=True)
    window.clear()
    assert window.outcomes(5) == (0, 0, 0)
    window.record(6, failed=True, slow=False)
    assert window.outcomes(6) == (1, 1, 0)


def test_an_outcome_of_the_past_counts_in_the_latest_bucket() -> None:
    window = TimeWindow(30, 3)
    window.record(100, failed=True, slow=False)
    window.record(50, failed=False, slow=True)
    assert window.outcomes(100) == (2, 1, 1)
    assert window.outcomes(129) == (2, 1, 1)
    assert window.outcomes(130) == (0, 0, 0)


def test_a_window_that_can_hold_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="size must be at least 1, not 0"):
        CountWindow(0)
    with pytest.raises(ValueError, match="buckets must be at least 1, not 0"):
        TimeWindow(10, 0)
    with pytest.raises(ValueError, match="positive multiple of 3 nanoseconds, not 10"):
        TimeWindow(10, 3)
    with pytest.raises(ValueError, match="positive multiple"):
        TimeWindow(0, 3)
