"""Rate limit facts: whose quota a request would spend, and what is left of it now.

Rule: the store is asked as for a request, for a cost of 0, which every algorithm answers without charging. A policy
for which the request has no key says why, and the others are asked all the same.

What it does not do: show a value that a client sent. Keys of headers and identities are hashes (`keys.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from api_gateway.core.clock import NANOSECONDS
from api_gateway.core.errors import GatewayError
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.xray.facts import Fact, Facts, duration
from api_gateway.middleware.rate_limit.policy import RatePolicy
from api_gateway.rate_limiting.limit_store import Ask, Limit, LimitStore
from api_gateway.rate_limiting.rate_limiter import Decision


async def rate_limit_facts(
    pairs: Sequence[tuple[RatePolicy, Limit]],
    store: LimitStore,
    now: int,
    request: Request,
    context: RequestContext,
    *,
    dry_run: bool = False,
) -> Facts:
    """Of each policy, with the limit that it has for the request's tier; by the limit's name."""
    facts: dict[str, dict[str, Fact]] = {}
    asks: list[Ask] = []
    for policy, limit in pairs:
        facts[limit.name] = told = _of_policy(policy, limit, context.tier)
        try:
            told["key"] = policy.key(request, context)
        except GatewayError as error:
            told["key"], told["refused"] = None, error.detail
        else:
            asks.append(Ask(limit, str(told["key"]), 0))
    if asks:
        grant = await store.acquire(asks, now)
        if grant.release is not None:
            grant.release()
        for ask, decision in zip(asks, grant.decisions, strict=True):
            facts[ask.limit.name].update(_of_decision(ask.limit, decision))
            if grant.degraded:
                facts[ask.limit.name]["store"] = f"out of reach: {grant.degraded}"
    return {**facts, "dry run": True} if dry_run else facts


def _of_policy(policy: RatePolicy, limit: Limit, tier: str) -> dict[str, Fact]:
    facts: dict[str, Fact] = {"algorithm": limit.algorithm}
    if limit.algorithm != "concurrency":
        facts["rate"] = f"{limit.limit} in {duration(limit.period * NANOSECONDS)}"
    if policy.tiers:
        facts["tier"] = tier if tier in policy.tiers else None
    if policy.cost != 1:
        facts["cost"] = policy.cost
    if policy.keyed_by:
        facts["by"] = policy.keyed_by
    return facts


def _of_decision(limit: Limit, decision: Decision) -> Facts:
    facts: dict[str, Fact] = {"limit": decision.limit, "remaining": decision.remaining}
    if limit.algorithm == "concurrency":
        return {**facts, "in flight": decision.limit - decision.remaining}
    return {**facts, "reset after": duration(decision.reset_after)}
