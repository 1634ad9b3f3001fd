"""The fixed window by example."""

from __future__ import annotations

from api_gateway.rate_limiting import FixedWindow

SECOND = 10**9


def test_it_counts_within_a_window_and_begins_again_at_the_next() -> None:
    limiter = FixedWindow(3, 10)
    assert [limiter.acquire("key", 4 * SECOND).remaining for _ in range(3)] == [2, 1, 0]
    refusal = limiter.acquire("key", 7 * SECOND)
    assert refusal == (False, 3, 0, 3 * SECOND, 3 * SECOND, 0)
    assert not limiter.acquire("key", 10 * SECOND - 1).allowed
    assert limiter.acquire("key", 10 * SECOND) == (True, 3, 2, 10 * SECOND, None, 0)


def test_twice_the_limit_passes_across_a_boundary() -> None:
    limiter = FixedWindow(3, 10)
    times = [10 * SECOND - 1] * 3 + [10 * SECOND] * 3
    assert all(limiter.acquire("key", now).allowed for now in times)


def test_an_old_window_counts_for_nothing() -> None:
    limiter = FixedWindow(3, 10)
    limiter.acquire("key", 0, 3)
    assert limiter.acquire("key", 1000 * SECOND, 3).allowed


def test_a_window_goes_on_when_the_clock_goes_back_behind_it() -> None:
    limiter = FixedWindow(3, 10)
    limiter.acquire("key", 10 * SECOND, 3)
    assert limiter.acquire("key", 5 * SECOND).retry_after == 15 * SECOND
