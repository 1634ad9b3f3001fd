"""The shaper by example: it makes requests wait instead of refusing them."""

from __future__ import annotations

from api_gateway.rate_limiting import LeakyBucketQueue

SECOND = 10**9


def test_a_burst_leaves_one_by_one() -> None:
    limiter = LeakyBucketQueue(10, 1, 3)
    waits = [limiter.acquire("key", 0) for _ in range(5)]
    assert [decision.wait for decision in waits] == [0, SECOND // 10, 2 * SECOND // 10, 3 * SECOND // 10, 0]
    assert [decision.remaining for decision in waits] == [3, 2, 1, 0, 0]
    assert (waits[4].allowed, waits[4].retry_after) == (False, SECOND // 10)


def test_who_comes_on_time_does_not_wait() -> None:
    limiter = LeakyBucketQueue(10, 1, 3)
    assert [limiter.acquire("key", turn * SECOND // 10).wait for turn in range(20)] == [0] * 20


def test_without_a_queue_nobody_waits_and_who_is_early_is_refused() -> None:
    limiter = LeakyBucketQueue(10, 1, 0)
    assert limiter.acquire("key", 0) == (True, 1, 0, SECOND // 10, None, 0)
    assert limiter.acquire("key", SECOND // 10 - 1).retry_after == 1
    assert limiter.acquire("key", SECOND // 10).wait == 0


def test_who_takes_several_turns_leaves_at_the_last() -> None:
    limiter = LeakyBucketQueue(10, 1, 5)
    assert limiter.acquire("key", 0, 3).wait == 2 * SECOND // 10
    assert limiter.acquire("key", 0, 3).wait == 5 * SECOND // 10
    assert not limiter.acquire("key", 0).allowed


def test_waits_do_not_drift_where_the_interval_is_not_whole() -> None:
    limiter = LeakyBucketQueue(3, 1, 300)
    waits = [limiter.acquire("key", 0).wait for _ in range(301)]
    assert waits[:3] == [0, 333_333_334, 666_666_667]
    assert waits[3::3] == [second * SECOND for second in range(1, 101)]


def test_the_queue_is_as_long_as_the_limit_unless_given() -> None:
    limiter = LeakyBucketQueue(4, 1)
    assert sum(limiter.acquire("key", 0).allowed for _ in range(20)) == 5
