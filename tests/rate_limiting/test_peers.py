"""Beside the limiters that others use: the same decisions, wherever they mean the same.

Their clocks are held by hand. Where a peer defines something otherwise, the test asks only what both
define alike and says what is left out. Times and rates are such that the floats of a peer are exact.

Nobody's sliding counter can be compared: `limits` and throttled-py round the weight of the previous
window down, which admits one more, and throttled-py charges the first request of a window even if it
refuses it.
"""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from types import SimpleNamespace

import limits.storage.memory
import pyrate_limiter as pyrate
import pytest
import throttled.rate_limiter
import throttled.store
import throttled.utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limits import RateLimitItemPerSecond
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter

from api_gateway.rate_limiting import GCRA, FixedWindow, SlidingWindowLog, TokenBucket

SECOND = 10**9
MILLISECOND = 10**6

many = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
counts = st.integers(1, 6)


def steps(longest: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    """How much time passes before each request, in some unit, and what it costs."""
    return st.lists(st.tuples(st.one_of(st.just(0), st.integers(0, longest)), st.integers(1, 4)), max_size=60)


class PeerClock:
    """The time that peers see, in seconds."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    @property
    def nanoseconds(self) -> int:
        return round(self.seconds * SECOND)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> PeerClock:
    clock = PeerClock()
    monkeypatch.setattr(limits.storage.memory, "time", SimpleNamespace(time=lambda: clock.seconds))
    monkeypatch.setattr(throttled.utils, "now_mono_f", lambda: clock.seconds)
    monkeypatch.setattr(throttled.utils, "now_sec", lambda: int(clock.seconds))
    monkeypatch.setattr(throttled.utils, "now_ms", lambda: int(clock.seconds * 1000))
    return clock


@pytest.fixture
def storage(clock: PeerClock, monkeypatch: pytest.MonkeyPatch) -> limits.storage.MemoryStorage:
    """The storage of `limits`, without the thread that empties it on a real timer."""
    monkeypatch.setattr(limits.storage.MemoryStorage, "_MemoryStorage__schedule_expiry", lambda _: None)
    storage = limits.storage.MemoryStorage()
    storage.timer.cancel()
    storage.timer.join()
    return storage


def throttled_limiter(kind: str, limit: int, seconds: int, burst: int) -> throttled.rate_limiter.BaseRateLimiter:
    found = throttled.rate_limiter.RateLimiterRegistry.get(kind)
    quota = throttled.rate_limiter.per_duration(timedelta(seconds=seconds), limit, burst=burst)
    made = found(quota, throttled.store.MemoryStore())
    assert isinstance(made, throttled.rate_limiter.BaseRateLimiter)
    return made


@many
@given(limit=counts, asked=steps(12))
def test_limits_moving_window_is_our_log(
    limit: int, asked: list[tuple[int, int]], clock: PeerClock, storage: limits.storage.MemoryStorage
) -> None:
    """But for one instant: a stamp exactly a period old counts for them, and no longer for us. Times that are
    multiples of 0.3 s are never exactly 1 s apart.
    """
    storage.reset()
    ours, theirs = SlidingWindowLog(limit, 1), MovingWindowRateLimiter(storage)
    tick = 0
    for passed, cost in asked:
        tick += passed
        clock.seconds = 1000 + tick * 0.3
        decision = ours.acquire("key", tick * 3 * SECOND // 10, cost)
        assert theirs.hit(RateLimitItemPerSecond(limit), "key", cost=cost) == decision.allowed
        assert theirs.get_window_stats(RateLimitItemPerSecond(limit), "key").remaining == decision.remaining


@many
@given(limit=counts, asked=steps(400))
def test_limits_fixed_window_is_ours_where_windows_begin_with_a_request(
    limit: int, asked: list[tuple[int, int]], clock: PeerClock, storage: limits.storage.MemoryStorage
) -> None:
    """Theirs begins with its first request, ours on the grid: so each window gets a request at its very
    beginning. And each costs one, because a refused request is charged too (see `test_peer_defects.py`).
    """
    storage.reset()
    ours, theirs = FixedWindow(limit, 1), FixedWindowRateLimiter(storage)
    now = 0
    times = []
    for passed, _ in asked:
        later = now + passed
        times += [boundary * 1000 for boundary in range(now // 1000 + 1, later // 1000 + 1)]
        times.append(later)
        now = later
    for milliseconds in [0, *times]:
        clock.seconds = 1000 + milliseconds / 1000
        hit = theirs.hit(RateLimitItemPerSecond(limit), "key")
        assert hit == ours.acquire("key", milliseconds * MILLISECOND).allowed


@many
@given(limit=counts, burst=counts, asked=steps(700))
def test_pyrates_gcra_is_ours(limit: int, burst: int, asked: list[tuple[int, int]]) -> None:
    """Theirs counts microseconds, and asks in milliseconds: so a request is worth whole microseconds here."""
    interval = 1000 * limit
    rate, rule = pyrate.Rate(limit, interval, burst=burst), pyrate.GCRA()
    ours, state, now = GCRA(limit, limit, burst), rule.initial([rate]), 5000
    for passed, cost in asked:
        now += passed
        state, theirs = rule.step([rate], state, now, cost)
        decision = ours.acquire("key", now * MILLISECOND, cost)
        assert theirs.allowed == decision.allowed
        if decision.retry_after is not None:
            assert theirs.retry_after_ms == ceil(decision.retry_after / MILLISECOND)
        assert burst - rule.consumed([rate], state, now) == decision.remaining


@many
@given(limit=counts, asked=steps(700))
def test_pyrates_log_is_ours(limit: int, asked: list[tuple[int, int]]) -> None:
    """Their window includes both ends, so their interval of 999 ms is our period of a second."""
    bucket = pyrate.InMemoryBucket([pyrate.Rate(limit, 999)])
    ours, now = SlidingWindowLog(limit, 1), 5000
    for passed, cost in asked:
        now += passed
        admitted = bucket.put(pyrate.RateItem("key", now, weight=cost))
        decision = ours.acquire("key", now * MILLISECOND, cost)
        assert admitted == decision.allowed
        if decision.retry_after is not None:
            assert bucket.waiting(pyrate.RateItem("key", now, weight=cost)) == decision.retry_after // MILLISECOND


@many
@given(limit=st.sampled_from([1, 2, 4]), burst=st.integers(4, 6), asked=steps(40))
def test_throttleds_gcra_is_ours(limit: int, burst: int, asked: list[tuple[int, int]], clock: PeerClock) -> None:
    """Floats of seconds, so intervals and times are sums of powers of two. No cost over the burst: for that they
    name a time to retry at, which never comes.
    """
    theirs, ours = throttled_limiter("gcra", limit, 1, burst), GCRA(limit, 1, burst)
    clock.seconds = 1000.0
    for passed, cost in asked:
        clock.seconds += passed / 64
        result = theirs.limit("key", cost)
        decision = ours.acquire("key", clock.nanoseconds, cost)
        assert result.limited != decision.allowed
        assert (result.state.limit, result.state.remaining) == (decision.limit, decision.remaining)
        assert round(result.state.reset_after * SECOND) == decision.reset_after
        assert round(result.state.retry_after * SECOND) == (decision.retry_after or 0)


@many
@given(limit=counts, burst=st.integers(4, 6), asked=steps(4))
def test_throttleds_token_bucket_is_ours_at_whole_seconds(
    limit: int, burst: int, asked: list[tuple[int, int]], clock: PeerClock
) -> None:
    """Their clock is in whole seconds, and so are the times to reset and retry that they name."""
    theirs, ours = throttled_limiter("token_bucket", limit, 1, burst), TokenBucket(limit, 1, burst)
    clock.seconds = 1000.0
    for passed, cost in asked:
        clock.seconds += passed
        result = theirs.limit("key", cost)
        decision = ours.acquire("key", clock.nanoseconds, cost)
        assert (not result.limited, result.state.remaining) == (decision.allowed, decision.remaining)
        assert result.state.retry_after == ceil((decision.retry_after or 0) / SECOND)
        assert result.state.reset_after == ceil(decision.reset_after / SECOND)


@many
@given(limit=counts, asked=steps(2))
def test_throttleds_fixed_window_is_ours_at_whole_seconds(
    limit: int, asked: list[tuple[int, int]], clock: PeerClock
) -> None:
    """For costs of one: they charge a refused request too."""
    theirs, ours = throttled_limiter("fixed_window", limit, 5, limit), FixedWindow(limit, 5)
    clock.seconds = 1000.0
    for passed, _ in asked:
        clock.seconds += passed
        result = theirs.limit("key")
        decision = ours.acquire("key", clock.nanoseconds)
        assert (not result.limited, result.state.remaining) == (decision.allowed, decision.remaining)
        assert result.state.retry_after == (decision.retry_after or 0) // SECOND
