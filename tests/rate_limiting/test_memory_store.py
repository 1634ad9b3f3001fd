"""The store in memory: the limiters behind one asynchronous question."""

from __future__ import annotations

import pytest

from api_gateway.rate_limiting import GCRA, Concurrency
from api_gateway.rate_limiting.limit_store import Ask, Limit
from api_gateway.rate_limiting.memory_store import MemoryStore

PER_MINUTE = Limit("per-minute", "gcra", 2, 60.0)
AT_ONCE = Limit("at-once", "concurrency", 1)


def store() -> MemoryStore:
    return MemoryStore({PER_MINUTE: GCRA(2, 60.0), AT_ONCE: Concurrency(1)})


async def test_all_are_charged_or_none() -> None:
    limits = store()
    both = [Ask(PER_MINUTE, "a"), Ask(AT_ONCE, "a")]
    assert (await limits.acquire(both, 0)).decision.allowed
    refused = await limits.acquire(both, 0)
    assert [decision.allowed for decision in refused.decisions] == [True, False]
    assert (await limits.acquire([Ask(PER_MINUTE, "a", cost=0)], 0)).decision.remaining == 1


async def test_what_is_held_is_released_and_nothing_else_has_a_release() -> None:
    limits = store()
    grant = await limits.acquire([Ask(AT_ONCE, "a"), Ask(PER_MINUTE, "a")], 0)
    assert grant.release is not None
    assert (await limits.acquire([Ask(AT_ONCE, "a")], 0)).release is None, "a refusal holds nothing"
    grant.release()
    assert (await limits.acquire([Ask(AT_ONCE, "a")], 0)).decision.allowed
    assert (await limits.acquire([Ask(PER_MINUTE, "a")], 0)).release is None


async def test_no_ask_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        await store().acquire([], 0)
