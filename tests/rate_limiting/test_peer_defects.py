"""What went wrong elsewhere, and must not here. Each test names who had the defect."""

from __future__ import annotations

import sys

import pytest

from api_gateway.rate_limiting import (
    GCRA,
    FixedWindow,
    LeakyBucket,
    SlidingWindowCounter,
    SlidingWindowLog,
    TokenBucket,
)
from api_gateway.rate_limiting.keyed_rate_limiter import WhenFull
from tests.support.rate_limiters import ALGORITHMS, BUCKETS, Limiter

SECOND = 10**9

each_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.__name__)


@each_algorithm
@pytest.mark.parametrize("when_full", ["refuse", "admit"])
def test_churning_keys_do_not_reset_a_victim(algorithm: type[Limiter], when_full: WhenFull) -> None:
    """throttled-py 3.5, in memory: a cache of the 1024 keys used last; a key limited to 10 a minute got 50."""
    limiter = algorithm(10, 60, max_keys=1024, when_full=when_full)
    admitted = 0
    for turn in range(5):
        admitted += sum(limiter.acquire("victim", turn).allowed for _ in range(20))
        for number in range(1100):
            limiter.acquire(f"churn-{turn}-{number}", turn)
    assert admitted == limiter.acquire("victim", 5, 0).limit
    assert len(limiter.table) <= 1024


@pytest.mark.parametrize("algorithm", [TokenBucket, LeakyBucket, GCRA])
def test_ninety_a_minute_are_ninety_a_minute(algorithm: type[Limiter]) -> None:
    """throttled-py 3.5, token and leaky bucket: a clock of whole seconds saturates at 0.67 to 0.72 of the rate."""
    limiter = algorithm(90, 60, 1)
    times = range(0, 600 * SECOND, SECOND // 100)
    assert sum(limiter.acquire("key", now).allowed for now in times) >= 0.99 * 900


def test_a_sliding_windows_retry_after_is_right_sixty_times_of_sixty() -> None:
    """throttled-py 3.5, sliding window: wrong 60 of 60."""
    limiter = SlidingWindowCounter(60, 60)
    limiter.acquire("key", 30 * SECOND, 60)
    for second in range(60, 120):
        now = second * SECOND
        cost = limiter.acquire("key", now, 0).remaining + 1
        refusal = limiter.acquire("key", now, cost)
        assert refusal.retry_after is not None
        assert not limiter.acquire("key", now + refusal.retry_after - 1, cost).allowed
        assert limiter.decide(limiter.table.get("key"), now + refusal.retry_after, cost)[1].allowed


@each_algorithm
def test_a_refused_cost_does_not_burn_what_is_left(algorithm: type[Limiter]) -> None:
    """limits 5.8, fixed window: a refused cost of 5 with 3 left burns the 3."""
    limiter = algorithm(10, 60)
    limiter.acquire("key", 0, limiter.acquire("key", 0, 0).limit - 3)
    assert not limiter.acquire("key", 0, 5).allowed
    assert [limiter.acquire("key", 0).allowed for _ in range(4)] == [True, True, True, False]


@each_algorithm
def test_the_first_request_of_a_window_is_not_charged_when_refused(algorithm: type[Limiter]) -> None:
    """throttled-py 3.5, sliding window: it is."""
    limiter = algorithm(10, 60)
    most = limiter.acquire("key", 0, 0).limit
    assert not limiter.acquire("key", 0, most + 1).allowed
    assert limiter.acquire("key", 0, most).allowed


@each_algorithm
def test_a_client_that_keeps_asking_is_not_shut_out(algorithm: type[Limiter]) -> None:
    """Kong's sliding window: refused requests count, so a persistent client stays blocked."""
    limiter = algorithm(10, 10)
    admitted = sum(limiter.acquire("key", now).allowed for now in range(0, 100 * SECOND, SECOND // 50))
    assert admitted >= 9 * 10


def test_two_algorithms_do_not_share_a_key() -> None:
    """limits 5.8: fixed and moving window use one key, and trip over each other's values."""
    fixed, log = FixedWindow(1, 1), SlidingWindowLog(1, 1)
    assert fixed.acquire("key", 0).allowed
    assert log.acquire("key", 0).allowed
    assert not fixed.acquire("key", 0).allowed


@pytest.mark.parametrize("algorithm", BUCKETS)
@pytest.mark.parametrize("burst", [1, 2, 4])
def test_a_small_burst_is_kept_at_a_high_rate(algorithm: type[Limiter], burst: int) -> None:
    """throttled-py 3.5, Redis token bucket: a lifetime rounded down to 0 admitted 1000 of 1000."""
    limiter = algorithm(10, 1, burst)
    assert sum(limiter.acquire("key", 0).allowed for _ in range(1000)) == burst


@each_algorithm
def test_a_key_nobody_uses_any_more_is_not_kept_for_ever(algorithm: type[Limiter]) -> None:
    """A map of keys that only grows, as in many a first limiter: here it is bounded, whatever comes."""
    limiter = algorithm(10, 1, max_keys=500)
    for number in range(5_000):
        assert limiter.acquire(f"key-{number}", number * SECOND).allowed
    assert len(limiter.table) <= 500


@each_algorithm
def test_a_decision_costs_the_same_however_many_came_before(algorithm: type[Limiter]) -> None:
    """Pruning a list of stamps at each request, as in many a first limiter, is O(n) a hit."""

    def steps(count: int) -> int:
        """Lines of the package executed by one decision, after `count`."""
        limiter = algorithm(10_000, 1)
        for now in range(count):
            limiter.acquire("key", now)
        lines = 0

        def trace(frame: object, event: str, argument: object) -> object:
            nonlocal lines
            lines += event == "line"
            return trace

        before = sys.gettrace()
        sys.settrace(trace)  # type: ignore[arg-type]  # what it is called with is documented, not typed, as objects
        try:
            limiter.acquire("key", count)
        finally:
            sys.settrace(before)
        return lines

    assert steps(9_000) == steps(90)
