from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from api_gateway.core.clock import NANOSECONDS
from api_gateway.server.restart_backoff import FIRST, LONGEST, STABLE, RestartBackoff

EARLY = round(STABLE * NANOSECONDS) - 1


def test_a_process_that_lived_long_is_replaced_at_once() -> None:
    assert RestartBackoff().delay(EARLY + 1) == 0


def test_each_early_death_doubles_the_wait() -> None:
    backoff = RestartBackoff()
    assert [backoff.delay(0) for _ in range(4)] == [FIRST, 2 * FIRST, 4 * FIRST, 8 * FIRST]


def test_a_long_life_begins_the_count_anew() -> None:
    backoff = RestartBackoff()
    for _ in range(5):
        backoff.delay(EARLY)
    backoff.delay(EARLY + 1)
    assert backoff.delay(EARLY) == FIRST


@given(st.lists(st.integers(0, EARLY), min_size=1, max_size=2000))
def test_the_wait_grows_and_is_bounded(lives: list[int]) -> None:
    backoff = RestartBackoff()
    delays = [backoff.delay(lived) for lived in lives]
    assert delays == sorted(delays)
    assert all(FIRST <= delay <= LONGEST for delay in delays)
    assert len(delays) < 20 or delays[-1] == LONGEST
