"""Requests decided without the server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.rate_limiting.all_or_nothing import tightest
from api_gateway.rate_limiting.limit_store import Ask, Grant, Limit
from api_gateway.rate_limiting.limiters import BUCKETS, WINDOWS, limiter_of
from api_gateway.rate_limiting.rate_limiter import Decision
from api_gateway.rate_limiting.redis.fallback import RETRY_AFTER, Fallback, OnStoreError, limit_of_one
from api_gateway.rate_limiting.redis.numbers import numbers_of

SECOND = 10**9
BURST = Limit("burst", "gcra", 100, 60.0, 20)
DAILY = Limit("daily", "fixed_window", 1000, 86_400.0)
AT_ONCE = Limit("at once", "concurrency", 8)


def fallback(policy: OnStoreError, gateways: int = 1, *limits: Limit) -> Fallback:
    return Fallback(
        policy, {limit: numbers_of(limit, 30).most for limit in limits or (BURST, DAILY, AT_ONCE)}, gateways
    )


async def test_admit_admits_whatever_could_ever_be_admitted() -> None:
    admitting = fallback("admit")
    for _ in range(100):
        grant = await admitting.acquire([Ask(BURST, "a", 20), Ask(DAILY, "a")], 0)
        assert grant == Grant(
            Decision(True, 20, 0, 0, None),
            (Decision(True, 20, 0, 0, None), Decision(True, 1000, 999, 0, None)),
            None,
            "admit",
        )
    grant = await admitting.acquire([Ask(BURST, "a", 21), Ask(DAILY, "a")], 0)
    assert grant.decision == Decision(False, 20, 20, 0, None)


async def test_refuse_refuses_and_says_when_to_try_again() -> None:
    grant = await fallback("refuse").acquire([Ask(DAILY, "a")], 0)
    assert grant == Grant(Decision(False, 1000, 0, RETRY_AFTER, RETRY_AFTER), (grant.decision,), None, "refuse")
    assert (await fallback("refuse").acquire([Ask(BURST, "a", 21)], 0)).decision.retry_after is None


async def test_local_holds_each_gateway_to_its_share() -> None:
    local = fallback("local", 4)
    admitted = 0
    for _ in range(400):
        grant = await local.acquire([Ask(DAILY, "a")], 0)
        assert grant.degraded == "local"
        admitted += grant.decision.allowed
    assert admitted == 250


async def test_local_places_are_given_back() -> None:
    local = fallback("local", 4)
    first, second = [await local.acquire([Ask(AT_ONCE, "a")], 0) for _ in range(2)]
    assert first.release is not None
    assert not (await local.acquire([Ask(AT_ONCE, "a")], 0)).decision.allowed
    first.release()
    assert (await local.acquire([Ask(AT_ONCE, "a")], 0)).decision.allowed
    assert second.decision.allowed


@given(
    st.sampled_from([*WINDOWS, *BUCKETS]), st.integers(1, 12), st.integers(1, 12), st.integers(1, 12), st.integers(1, 5)
)
def test_shares_together_are_the_limit_and_at_one_instant_at_most_one_each_more(
    algorithm: str, count: int, burst: int, gateways: int, periods: int
) -> None:
    """Every gateway asks as fast as it can: at most the limit and what all can have at one instant."""
    limit = Limit("any", algorithm, count, 1.0, burst if algorithm in BUCKETS else None)  # type: ignore[arg-type]
    limiters = [limiter_of(limit_of_one(limit, gateways)) for _ in range(gateways)]
    admitted = at_once = 0
    for step in range(40 * periods):
        now = step * SECOND // 40
        for limiter in limiters:
            while limiter.acquire("key", now).allowed:
                admitted += 1
        if step == 0:
            at_once = admitted
    assert at_once <= max(gateways, numbers_of(limit, 30).most)
    assert admitted <= count * periods + max(gateways, numbers_of(limit, 30).most) + gateways


def test_a_share_of_a_bucket_has_its_rate_exactly() -> None:
    assert limit_of_one(BURST, 3) == BURST._replace(period=180.0, burst=6)
    assert limit_of_one(BURST, 30).burst == 1
    assert limit_of_one(Limit("queue", "leaky_bucket_queue", 10, 1.0, 2), 3).burst == 0


def test_a_share_of_a_window_is_rounded_down_and_stretched_where_nothing_is_left() -> None:
    assert limit_of_one(DAILY, 3) == DAILY._replace(limit=333)
    few = Limit("few", "sliding_window_log", 2, 10.0)
    assert limit_of_one(few, 5) == few._replace(limit=1, period=30.0)
    assert limit_of_one(AT_ONCE, 3).limit == 2
    assert limit_of_one(AT_ONCE, 9).limit == 1


@pytest.mark.parametrize(("policy", "gateways"), [("shrug", 1), ("local", 0)])
def test_a_policy_that_is_none_is_refused(policy: OnStoreError, gateways: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        fallback(policy, gateways)


def test_the_tightest_is_the_refusal_that_lasts_or_the_admission_with_the_least_left() -> None:
    admitted = [Decision(True, 10, 5, 100, None, 7), Decision(True, 10, 2, 50, None), Decision(True, 10, 2, 90, None)]
    assert tightest(admitted) == Decision(True, 10, 2, 90, None, 7)
    short, long, never = (Decision(False, 10, 0, 1, retry) for retry in (5, 50, None))
    assert tightest([*admitted, short, long]) == long
    assert tightest([short, never, long]) == never
