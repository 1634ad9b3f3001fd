"""Outcome windows against an oracle that keeps every outcome for ever."""

from __future__ import annotations

import pytest
from hypothesis import given
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


@given(calls, st.integers(1, 30))
def test_a_window_by_count_is_the_last_calls_exactly(steps: list[Ended], size: int) -> None:
    window = CountWindow(size)
    history = _dated(steps)
    for index, (now, failed, slow) in enumerate(history):
        window.record(now, failed=failed, slow=slow)
        assert window.outcomes(now) == _tally(history[: index + 1][-size:])


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


Lived = tuple[int, bool, bool, str, int | None]  # the step, how the head was, where, and when the body broke off

lives = st.lists(
    st.tuples(st.integers(0, 12), st.booleans(), st.booleans(), st.sampled_from("abc"), st.none() | st.integers(0, 20)),
    max_size=60,
)


def _apart(ended: list[tuple[bool, bool, str]]) -> dict[str, Outcomes]:
    places = {place for _, _, place in ended}
    return {
        where: Outcomes(
            sum(place == where for _, _, place in ended),
            sum(failed and place == where for failed, _, place in ended),
            sum(slow and place == where for _, slow, place in ended),
        )
        for where in places
    }


@given(lives, st.integers(1, 12), st.integers(1, 5), st.integers(1, 8))
def test_an_answer_that_breaks_off_is_one_failure_while_its_outcome_is_there(
    steps: list[Lived], size: int, width: int, buckets: int
) -> None:
    by_count, by_time = CountWindow(size), TimeWindow(width * buckets, buckets)
    history: list[tuple[int, bool, bool, str]] = []
    good: list[tuple[int, int, int, str]] = []  # the index in the history, both windows' numbers, the place
    now = 0
    for step, failed, slow, place, which in steps:
        now += step
        number = by_count.record(now, failed=failed, slow=slow, place=place)
        bucket = by_time.record(now, failed=failed, slow=slow, place=place)
        history.append((now, failed, slow, place))
        if not failed:
            good.append((len(history) - 1, number, bucket, place))
        if which is not None and good:
            index, number, bucket, place = good.pop(which % len(good))
            ended, _, slow, _ = history[index]
            assert by_count.amend(now, number, place) == (index >= len(history) - size)
            assert by_time.amend(now, bucket, place) == (ended // width > now // width - buckets)
            history[index] = (ended, True, slow, place)
        last = [call[1:] for call in history[-size:]]
        recent = [call[1:] for call in history if call[0] // width > now // width - buckets]
        for window, calls in ((by_count, last), (by_time, recent)):
            assert window.by_place(now) == _apart(calls)
            assert window.outcomes(now) == (
                len(calls),
                sum(failed for failed, _, _ in calls),
                sum(slow for _, slow, _ in calls),
            )


@pytest.mark.parametrize("window", [CountWindow(3), TimeWindow(30, 3)])
def test_what_was_recorded_before_a_window_was_cleared_cannot_be_amended(window: OutcomeWindow) -> None:
    number = window.record(5, failed=False, slow=False, place="a")
    window.clear()
    assert not window.amend(5, number, "a")
    assert window.outcomes(5) == (0, 0, 0)
    assert window.by_place(5) == {}


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
