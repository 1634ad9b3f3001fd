"""What a rate limit tells an X-ray, and that telling costs nobody anything."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway import Request, RequestContext, Response
from api_gateway.core.clock import ManualClock
from api_gateway.core.errors import GatewayError
from api_gateway.core.identity import Identity
from api_gateway.core.xray.facts import Facts
from api_gateway.middleware.rate_limit.keys import ByHeader, by_client_ip
from api_gateway.middleware.rate_limit.policy import RatePolicy
from api_gateway.middleware.rate_limit.rate_limit_middleware import RateLimitMiddleware
from api_gateway.rate_limiting.limit_store import AlgorithmName, Ask, Degraded, Grant, Limit
from api_gateway.rate_limiting.limiters import LIMITERS, limiter_of
from api_gateway.rate_limiting.memory_store import MemoryStore
from api_gateway.rate_limiting.rate_limiter import Decision

GET = Request("GET", "/")
BUCKET = Limit("bucket", "token_bucket", 2, 20.0)
AT_ONCE = Limit("at-once", "concurrency", 3)


def context_of(clock: ManualClock, tier: str = "") -> RequestContext:
    context = RequestContext(clock.monotonic(), "192.0.2.7", "http", "1.1")
    context.identity = Identity("anna", "api_key", tier=tier) if tier else None
    return context


def limited(clock: ManualClock, *policies: RatePolicy, dry_run: bool = False) -> RateLimitMiddleware:
    store = MemoryStore({limit: limiter_of(limit) for policy in policies for limit in policy.limits})
    return RateLimitMiddleware(policies, store, clock=clock, dry_run=dry_run)


async def served(request: Request, context: RequestContext) -> Response:
    return Response.text("served")


async def test_it_tells_the_key_and_what_is_left() -> None:
    clock = ManualClock()
    limit = limited(clock, RatePolicy(BUCKET, by_client_ip, keyed_by="client_ip"))
    await limit(GET, context_of(clock), served)
    clock.advance(4)
    assert await limit.state_for(GET, context_of(clock)) == {
        "bucket": {
            "algorithm": "token_bucket",
            "rate": "2 in 20 s",
            "by": "client_ip",
            "key": "192.0.2.7",
            "limit": 2,
            "remaining": 1,
            "reset after": "6 s",
        }
    }


async def test_concurrency_tells_what_is_in_flight() -> None:
    clock = ManualClock()
    limit = limited(clock, RatePolicy(AT_ONCE, by_client_ip, cost=2))
    inside: list[Facts] = []

    async def look(request: Request, context: RequestContext) -> Response:
        inside.append(await limit.state_for(request, context))
        return Response.text("served")

    await limit(GET, context_of(clock), look)
    told = {"algorithm": "concurrency", "cost": 2, "key": "192.0.2.7", "limit": 3}
    assert inside == [{"at-once": {**told, "remaining": 1, "in flight": 2}}]
    assert await limit.state_for(GET, context_of(clock)) == {"at-once": {**told, "remaining": 3, "in flight": 0}}


async def test_a_tier_is_named_and_its_limit_is_the_one_shown() -> None:
    clock = ManualClock()
    gold = BUCKET._replace(name="bucket:gold", limit=50)
    limit = limited(clock, RatePolicy(BUCKET, by_client_ip, tiers={"gold": gold}), dry_run=True)
    told = await limit.state_for(GET, context_of(clock, "gold"))
    assert told == {
        "bucket:gold": {
            "algorithm": "token_bucket",
            "rate": "50 in 20 s",
            "tier": "gold",
            "key": "192.0.2.7",
            "limit": 50,
            "remaining": 50,
            "reset after": "0",
        },
        "dry run": True,
    }


async def test_a_request_without_a_key_is_told_why_and_the_other_policies_are_asked() -> None:
    clock = ManualClock()
    tenant = RatePolicy(Limit("tenant", "gcra", 5, 1.0), ByHeader("x-tenant"))
    told = await limited(clock, tenant, RatePolicy(BUCKET, by_client_ip)).state_for(GET, context_of(clock))
    assert told["tenant"] == {
        "algorithm": "gcra",
        "rate": "5 in 1 s",
        "key": None,
        "refused": "The header x-tenant must be there, once, with a value.",
    }
    assert isinstance(told["bucket"], dict)
    assert told["bucket"]["remaining"] == 2


async def test_what_a_client_sent_as_its_key_is_not_shown() -> None:
    clock = ManualClock()
    limit = limited(clock, RatePolicy(BUCKET, ByHeader("x-api-key")))
    told = await limit.state_for(GET.with_headers(GET.headers.setting("x-api-key", "secret-7")), context_of(clock))
    assert "secret-7" not in repr(told)


class Away:
    """A store whose server is out of reach."""

    async def acquire(self, asks: Sequence[Ask], now: int) -> Grant:
        degraded: Degraded = "refuse"
        decision = Decision(False, 2, 0, 10**9, 10**9, 0)
        return Grant(decision, (decision,) * len(asks), degraded=degraded)

    async def close(self) -> None:
        """Nothing is open."""


async def test_a_store_out_of_reach_is_told() -> None:
    clock = ManualClock()
    told = await RateLimitMiddleware([RatePolicy(BUCKET, by_client_ip)], Away(), clock=clock).state_for(
        GET, context_of(clock)
    )
    assert isinstance(told["bucket"], dict)
    assert told["bucket"]["store"] == "out of reach: refuse"


@pytest.mark.parametrize("algorithm", LIMITERS)
@settings(max_examples=25)
@given(steps=st.lists(st.tuples(st.sampled_from((0.0, 0.3, 2.5)), st.integers(0, 3)), min_size=1, max_size=25))
def test_asking_changes_no_decision(algorithm: AlgorithmName, steps: list[tuple[float, int]]) -> None:
    async def outcomes(*, asked: bool) -> list[object]:
        clock = ManualClock()
        limit = limited(
            clock,
            RatePolicy(Limit("one", algorithm, 3, 5.0), by_client_ip),
            RatePolicy(Limit("two", algorithm, 4, 7.0), by_client_ip, cost=2),
        )
        found: list[object] = []
        for passed, times in steps:
            clock.advance(passed)
            for _ in range(times if asked else 0):
                await limit.state_for(GET, context_of(clock))
            try:
                response = await limit(GET, late_context(clock), served)
                found.append([response.status, *response.headers.pairs])
            except GatewayError as error:
                found.append([error.detail, *error.headers.pairs])
        return found

    assert asyncio.run(outcomes(asked=True)) == asyncio.run(outcomes(asked=False))


def late_context(clock: ManualClock) -> RequestContext:
    """With a deadline so near that no turn of a queue is slept for."""
    context = context_of(clock)
    context.deadline = clock.monotonic() + 1
    return context
