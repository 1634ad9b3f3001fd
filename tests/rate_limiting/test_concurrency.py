"""Concurrency: how many at once, and nothing left behind."""

from __future__ import annotations

import asyncio

import pytest

from api_gateway.rate_limiting import Concurrency


def test_it_admits_its_limit_and_no_more() -> None:
    limiter = Concurrency(2)
    assert [limiter.acquire("key")[:3] for _ in range(3)] == [(True, 2, 1), (True, 2, 0), (False, 2, 0)]
    assert limiter.in_flight("key") == 2


def test_a_place_given_back_can_be_taken_again() -> None:
    limiter = Concurrency(1)
    limiter.acquire("key")
    refusal = limiter.acquire("key")
    assert (refusal.allowed, refusal.retry_after) == (False, 0)
    limiter.release("key")
    assert limiter.acquire("key").allowed


def test_keys_are_independent() -> None:
    limiter = Concurrency(1)
    assert limiter.acquire("a").allowed
    assert limiter.acquire("b").allowed


def test_idle_keys_take_no_memory() -> None:
    limiter = Concurrency(2)
    for number in range(1000):
        limiter.acquire(f"key-{number}")
        limiter.acquire(f"key-{number}")
    assert len(limiter) == 1000
    for number in range(1000):
        limiter.release(f"key-{number}", 2)
    assert len(limiter) == 0


def test_what_was_refused_or_only_asked_holds_nothing() -> None:
    limiter = Concurrency(2)
    assert limiter.acquire("key", cost=0).remaining == 2
    refusal = limiter.acquire("key", cost=3)
    assert (refusal.allowed, refusal.remaining, refusal.retry_after) == (False, 2, None)
    assert len(limiter) == 0


@pytest.mark.parametrize("cost", [1, 3, -1])
def test_to_release_what_is_not_held_is_an_error(cost: int) -> None:
    limiter = Concurrency(5)
    limiter.acquire("other", cost=5)
    if cost != 1:
        limiter.acquire("key", cost=2)
    with pytest.raises(ValueError, match="cannot release"):
        limiter.release("key", cost)
    assert limiter.in_flight("key") == (0 if cost == 1 else 2)


def test_a_release_too_many_is_an_error() -> None:
    limiter = Concurrency(5)
    limiter.acquire("key")
    limiter.release("key")
    with pytest.raises(ValueError, match="cannot release 1 of 'key', which holds 0"):
        limiter.release("key")


def test_a_limit_under_one_or_a_negative_cost_is_an_error() -> None:
    with pytest.raises(ValueError, match="limit must be at least 1, not 0"):
        Concurrency(0)
    with pytest.raises(ValueError, match="negative"):
        Concurrency(1).acquire("key", cost=-1)


async def test_never_more_than_the_limit_are_inside() -> None:
    limiter = Concurrency(3)
    inside = most = served = 0

    async def work() -> None:
        nonlocal inside, most, served
        for _ in range(5):
            if limiter.acquire("key").allowed:
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1
                served += 1
                limiter.release("key")

    async with asyncio.TaskGroup() as group:
        for _ in range(50):
            group.create_task(work())
    assert (most, len(limiter)) == (3, 0)
    assert 3 < served < 250
