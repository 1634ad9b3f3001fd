"""Rate limit: so many requests in so much time, for each caller.

Rule: ask the store for all limits at once; all are charged, or none. Refused is 429 with the time at which to
come back; admitted or refused, the quotas are in the headers (`headers.py`), also of the
gateway's own 404 or 502. A request without its key is refused (`keys.py`).

| the store says                  | then                                                              |
|---------------------------------|-------------------------------------------------------------------|
| admitted, `wait`                | hold the request until its turn                                   |
| a turn after the deadline       | 429 at once, and the turn is not taken: nobody would be there     |
| admitted, holds a place         | freed when the response is finished, or there is none; once       |
| refused                         | 429, or 503 if only because the store is out of reach             |
| anything, in a dry run          | admitted at once, without headers; refusals are counted, and logged |

The coarse check before authentication and the finer one after it are two of these in the list. A limit by
address protects authentication itself, which costs more than any limit; one by identity needs its result.

Tiers: `context.tier`, which authentication sets, chooses among a policy's limits; a header never does.

Cost: about 3 us with one limit in memory, the headers included (`make bench`, pipeline): that one is decided
without a coroutine. Several limits, or a shared store, take one more, and their own time.

What it does not do: keep states (`rate_limiting/`), or order requests. A waiting one is a task that sleeps:
the shaper's queue is its bound.

Source: RFC 6585 section 4 (429).
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence

from api_gateway.core.clock import NANOSECONDS, Clock, SystemClock
from api_gateway.core.errors import BadRequest, CallerUnknown, GatewayError, LimitsUnavailable, RateLimited
from api_gateway.core.headers import Headers
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.xray.facts import Facts
from api_gateway.middleware.rate_limit.facts import rate_limit_facts
from api_gateway.middleware.rate_limit.headers import QuotaFields, retry_seconds
from api_gateway.middleware.rate_limit.metrics import RateLimitMetrics
from api_gateway.middleware.rate_limit.policy import RatePolicy
from api_gateway.rate_limiting.limit_store import Ask, Grant, Limit, LimitStore
from api_gateway.rate_limiting.memory_store import MemoryStore
from api_gateway.rate_limiting.rate_limiter import Decision

_log = logging.getLogger("api_gateway.rate_limit")

_WITH_AN_AFTERMATH = frozenset({"concurrency", "leaky_bucket_queue"})
_RETRY_STORE = 1  # seconds: a store that is back is noticed within about that


class RateLimitMiddleware:
    """Holds requests to some policies, all or nothing."""

    __slots__ = ("_clock", "_metrics", "_plan", "_plan_of_tier", "_store", "dry_run", "policies")

    def __init__(
        self,
        policies: Sequence[RatePolicy],
        store: LimitStore,
        *,
        dry_run: bool = False,
        legacy_headers: bool = False,
        clock: Clock | None = None,
        metrics: RateLimitMetrics | None = None,
    ) -> None:
        """`store` keeps the states of every limit of `policies`; whoever made it closes it.

        Raises:
            ValueError: there is no policy.
        """
        if not policies:
            raise ValueError("there must be at least one policy")
        self.policies = tuple(policies)
        self.dry_run = dry_run
        self._store = store
        self._clock = clock or SystemClock()
        self._metrics = metrics or RateLimitMetrics()
        legacy_clock = self._clock if legacy_headers else None
        tiers = {tier for policy in policies for tier in policy.tiers}
        self._plan = _Plan(self.policies, "", store, legacy_clock)
        self._plan_of_tier = {tier: _Plan(self.policies, tier, store, legacy_clock) for tier in tiers}

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Admit, or refuse.

        Raises:
            RateLimited: over a limit.
            LimitsUnavailable: the store is out of reach, and refuses then.
            ClientError: the request has no key.
        """
        plan = self._plan_of_tier.get(context.tier, self._plan)
        if plan.acquire is None or self.dry_run:
            return await self._in_steps(plan, request, context, call_next)
        try:
            key = plan.policies[0].key(request, context)
        except (BadRequest, CallerUnknown):
            self._count(plan.names, context)
            raise
        decision = plan.acquire(key, self._clock.monotonic(), plan.policies[0].cost)
        if not decision.allowed:
            raise self._refusal(plan, Grant(decision, (decision,)), context)
        try:
            response = await call_next(request, context)
        except GatewayError as error:
            error.headers = plan.fields.added_to(error.headers, (decision,), decision)
            raise
        response.headers = plan.fields.added_to(response.headers, (decision,), decision)
        return response

    async def state_for(self, request: Request, context: RequestContext) -> Facts:
        """Whose quotas they are, and what is left of each."""
        pairs = self._plan_of_tier.get(context.tier, self._plan).pairs
        now = self._clock.monotonic()
        return await rate_limit_facts(pairs, self._store, now, request, context, dry_run=self.dry_run)

    async def _in_steps(self, plan: _Plan, request: Request, context: RequestContext, call_next: Handler) -> Response:
        try:
            asks = [Ask(limit, policy.key(request, context), policy.cost) for policy, limit in plan.pairs]
        except (BadRequest, CallerUnknown) as error:
            self._count(plan.names, context)
            if not self.dry_run:
                raise
            _log.info("dry run: would refuse request %s: %s", context.request_id, error.detail)
            return await call_next(request, context)
        grant = await self._ask(asks, context)
        if grant.degraded:
            self._metrics.degraded(grant.degraded)
        if not grant.decision.allowed:
            refusal = self._refusal(plan, grant, context)
            if not self.dry_run:
                raise refusal
            _log.info("dry run: would refuse request %s: %s", context.request_id, refusal.detail)
        return await self._admitted(plan, grant, request, context, call_next)

    async def _ask(self, asks: Sequence[Ask], context: RequestContext) -> Grant:
        """The store's answer, or ours where a turn would come after the deadline."""
        now = self._clock.monotonic()
        if context.deadline is not None and any(_queues(ask.limit) for ask in asks):
            # A turn once taken cannot be given back, so the queues are looked at first.
            found = await self._store.acquire([ask._replace(cost=0) for ask in asks], now)
            if found.release is not None:
                found.release()
            for index, (ask, decision) in enumerate(zip(asks, found.decisions, strict=True)):
                wait = decision.reset_after + _turns(ask.limit, ask.cost - 1)
                if _queues(ask.limit) and now + wait > context.deadline:
                    late = decision._replace(allowed=False, retry_after=now + wait - context.deadline)
                    return Grant(late, (*found.decisions[:index], late, *found.decisions[index + 1 :]))
        return await self._store.acquire(asks, now)

    async def _admitted(
        self, plan: _Plan, grant: Grant, request: Request, context: RequestContext, call_next: Handler
    ) -> Response:
        release = grant.release
        told = not self.dry_run and grant.degraded != "admit"  # nobody knows then what is left
        try:
            if grant.decision.wait and not self.dry_run:
                self._count_delays(plan, grant, context)
                await asyncio.sleep(grant.decision.wait / NANOSECONDS)
            response = await call_next(request, context)
        except BaseException as error:
            if release is not None:
                release()
            if told and isinstance(error, GatewayError):
                error.headers = plan.fields.added_to(error.headers, grant.decisions, grant.decision)
            raise
        if release is not None:
            if isinstance(response.body, bytes):
                release()  # the service has done its part
            else:
                response.on_close(release)
        if told:
            response.headers = plan.fields.added_to(response.headers, grant.decisions, grant.decision)
        return response

    def _refusal(self, plan: _Plan, grant: Grant, context: RequestContext) -> GatewayError:
        """The error for a grant that admits nothing, counted."""
        if grant.degraded == "refuse":
            headers = Headers.from_pairs([(b"retry-after", b"%d" % _RETRY_STORE)])
            return LimitsUnavailable("the store of the rate limits is out of reach", headers=headers)
        names = [name for name, decision in zip(plan.names, grant.decisions, strict=True) if not decision.allowed]
        self._count(names, context)
        headers = plan.fields.added_to(Headers(), grant.decisions, grant.decision)
        seconds = retry_seconds(grant.decision)
        again = "it asks for more than can ever be admitted"
        if seconds is not None:
            again = f"try again in {seconds} s"
            headers = Headers.from_pairs([*headers.pairs, (b"retry-after", b"%d" % seconds)])
        return RateLimited(f"Over the limit {' and '.join(names)}: {again}.", policies=names, headers=headers)

    def _count(self, names: Sequence[str], context: RequestContext) -> None:
        for name in names:
            self._metrics.refused(name, context.route, dry_run=self.dry_run)

    def _count_delays(self, plan: _Plan, grant: Grant, context: RequestContext) -> None:
        for name, decision in zip(plan.names, grant.decisions, strict=True):
            if decision.wait:
                self._metrics.delayed(name, context.route)


class _Plan:
    """What is asked of callers of one tier."""

    __slots__ = ("acquire", "fields", "names", "pairs", "policies")

    def __init__(
        self, policies: Sequence[RatePolicy], tier: str, store: LimitStore, legacy_clock: Clock | None
    ) -> None:
        self.policies = policies
        self.pairs = [(policy, policy.tiers.get(tier, policy.limit)) for policy in policies]
        limits = [limit for _, limit in self.pairs]
        self.names = [limit.name for limit in limits]
        self.fields = QuotaFields(limits, legacy_clock)
        self.acquire: Callable[[str, int, int], Decision] | None = None
        """Decides at once, where nothing has to be waited for or released."""
        if len(limits) == 1 and isinstance(store, MemoryStore) and limits[0].algorithm not in _WITH_AN_AFTERMATH:
            self.acquire = store.limiters[limits[0]].acquire


def _queues(limit: Limit) -> bool:
    return limit.algorithm == "leaky_bucket_queue"


def _turns(limit: Limit, count: int) -> int:
    """Nanoseconds that so many turns take."""
    return math.ceil(count * limit.period * NANOSECONDS / limit.limit)
