"""GCRA by example: one number a key."""

from __future__ import annotations

import tracemalloc

from api_gateway.rate_limiting import GCRA

SECOND = 10**9


def test_the_theoretical_arrival_time_moves_on_by_an_interval_each_time() -> None:
    limiter = GCRA(10, 1, 3)
    now = 1000 * SECOND
    limiter.acquire("key", now)
    assert limiter.table.get("key") == now + SECOND // 10
    limiter.acquire("key", now)
    assert limiter.table.get("key") == now + 2 * SECOND // 10
    limiter.acquire("key", now + SECOND)
    assert limiter.table.get("key") == now + SECOND + SECOND // 10


def test_an_awkward_ratio_is_kept_exact() -> None:
    limiter = GCRA(90, 60, 2)
    now = 0
    limiter.acquire("key", now)
    for _ in range(90):
        assert limiter.acquire("key", now).allowed
        now += limiter.acquire("key", now).retry_after or 0
    assert now == 60 * SECOND


def test_every_fresh_key_gets_the_same_decision() -> None:
    limiter = GCRA(3, 1)
    first = limiter.acquire("a", 5)
    assert first == (True, 3, 2, 333_333_334, None, 0)
    assert limiter.acquire("b", 7) == first
    assert limiter.acquire("a", 10 * SECOND) == first


def test_a_key_takes_one_small_number_and_its_place_in_the_table() -> None:
    """What is asked of the allocator, of which a third, the table's spare places, is never touched."""
    limiter = GCRA(100, 60)
    keys = [f"10.0.{number >> 8}.{number & 255}" for number in range(20_000)]
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for key in keys:
            limiter.acquire(key, 10**15)
        taken = (tracemalloc.get_traced_memory()[0] - before) / len(keys)
    finally:
        tracemalloc.stop()
    assert 32 < taken < 32 + 2 * 26
