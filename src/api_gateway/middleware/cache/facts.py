"""Cache facts: what is kept for a request, how old it is, and whether somebody is asking for it already.

Rule: a store is looked at by `peek`, which leaves no trace: an entry that is only looked at gives way to others as
before. The dice of early refreshes are not rolled.

What it does not do: decide (`caching/decision.py`), or show what in a key may be a credential: of the query only the
names are told, and of what a digest stands for, only that there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.caching.cache_request import CacheRequest, cache_request
from api_gateway.caching.cache_store import CacheStore, StoreUnavailable
from api_gateway.caching.stored_response import StoredResponse
from api_gateway.caching.vary import agrees
from api_gateway.core.clock import NANOSECONDS
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.xray.facts import Fact, Facts, duration
from api_gateway.middleware.access_log_format import safe_target
from api_gateway.middleware.cache.flight import Flights


@runtime_checkable
class PeekableStore(Protocol):
    """A store that can be looked at without a trace."""

    async def peek(self, key: str) -> Sequence[StoredResponse]:
        """As `CacheStore.get`; raises StoreUnavailable likewise."""
        ...


async def cache_facts(
    store: CacheStore, flights: Flights, policy: CachePolicy, now: float, request: Request, context: RequestContext
) -> Facts:
    """What a cache goes by for `request` at `now`, seconds of the wall's time."""
    asked = cache_request(request, context.scheme, context.identity, policy)
    facts: dict[str, Fact] = {"key": _shown_key(asked)}
    if asked.bypass is not None:
        return {**facts, "not looked up": asked.bypass.reason}
    if not isinstance(store, PeekableStore):
        return {**facts, "stored": "this store cannot be looked at"}
    try:
        variants = await store.peek(asked.key)
    except StoreUnavailable:
        return {**facts, "stored": "the store is out of reach"}
    fitting = [each for each in variants if agrees(each.selecting, request.headers)]
    facts["stored"] = bool(fitting)
    if variants and variants[0].selecting:
        facts["variants"] = len(variants)
        facts["varies by"] = [name for name, _ in variants[0].selecting]
    if fitting:
        facts.update(_of_stored(max(fitting, key=lambda each: each.facts.date), policy, now))
    _, flight = flights.find(asked.key, fitting[0].selecting if fitting else (), request.headers)
    return {**facts, "asked for already": flight is not None}


def _of_stored(stored: StoredResponse, policy: CachePolicy, now: float) -> Facts:
    age, lifetime = stored.facts.age(now), stored.facts.lifetime(policy)
    facts: dict[str, Fact] = {"status": stored.status, "age": duration(age * NANOSECONDS)}
    facts["lifetime"] = duration(lifetime * NANOSECONDS)
    facts["fresh for" if lifetime > age else "stale for"] = duration(abs(lifetime - age) * NANOSECONDS)
    return {**facts, "can be validated": stored.facts.validates}


def _shown_key(asked: CacheRequest) -> str:
    request = asked.request
    host = (request.header("host") or "").lower()
    digest = "" if asked.key == asked.uri else " and a digest"
    return f"{asked.scheme}://{host}{safe_target(request)}{digest}"
