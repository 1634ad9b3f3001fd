"""LeaseStore: takes K at once from the shared store and spends them here, so most requests need no round trip.

    store = LeaseStore(RedisStore(url, limits), lease=50)

Rule: what a key is granted is charged to the shared limit when it is *taken*, K requests together, and spent
by later requests of this gateway until the lease is over. A request that finds less than it costs takes what
is missing, and at least K; where the shared store has not so much, just what is missing. Others of the same key
that need more wait for the one that asks. A refusal is remembered until it may end, and no longer than a lease.

Bounds, for N gateways, a lease of K tokens that lasts L seconds:
    too many   what is spent in a time W was taken in W or in the L before: at most what the shared limit admits
               in W + L. And of what was taken before, each gateway has at most K left: at most N * K more than
               the limit admits in W.
    too few    what is taken and not spent is lost when the lease is over: at most K for each gateway in L. Until
               then a gateway may refuse while the others hold up to (N - 1) * K.
So K should be small against limit / N: with a tenth of that, both errors are at most a tenth of the limit.
Round trips: one for K requests, and none for requests refused again.
Memory: `max_keys` leases; a key for which there is no room has its requests decided by the shared store.

`remaining` and `reset_after` are what the shared store said when it was last asked, less what was spent and
has passed since.

What it does not do: lease what cannot be. `concurrency` has places that must be given back, turns of
`leaky_bucket_queue` are times, and several limits at once are charged all or none, which only one script can: those
go to the shared store each time. Nor does it give back what is left, or lease while the server is out of reach:
then each request is decided as `on_store_error` says.

Source: C. Gray and D. Cheriton, "Leases", SOSP 1989, for things held that lapse by themselves; YouTube's Doorman,
2016, for capacity.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from api_gateway.rate_limiting.all_or_nothing import tightest
from api_gateway.rate_limiting.keyed_state import DEFAULT_MAX_KEYS, KeyedState
from api_gateway.rate_limiting.limit_store import Ask, Grant
from api_gateway.rate_limiting.rate_limiter import NANOSECONDS, Decision, new_decision
from api_gateway.rate_limiting.redis.redis_store import RedisStore

_NOT_LEASED = frozenset({"concurrency", "leaky_bucket_queue"})


class Lease:
    """What this gateway may spend of one key of one limit, and what it knows of the rest."""

    __slots__ = ("asking", "beyond", "ends", "refusal", "refused_at", "refused_cost", "reset_at", "tokens")

    def __init__(self, ends: int) -> None:
        self.ends = ends
        """When all of this is worth nothing any more, in nanoseconds."""
        self.tokens = 0
        """Charged already, and not spent."""
        self.beyond = 0
        """What the shared store had left when it last gave some."""
        self.reset_at = 0
        self.refusal: Decision | None = None
        """The shared store's last word, if that was a refusal of `refused_cost` at `refused_at`."""
        self.refused_at = self.refused_cost = 0
        self.asking: asyncio.Future[None] | None = None
        """Done when the one who asks for more has an answer."""


class LeaseStore:
    """A `LimitStore` before a shared one."""

    def __init__(self, store: RedisStore, lease: int, *, lasts: float = 1.0, max_keys: int = DEFAULT_MAX_KEYS) -> None:
        """Take `lease` at once, for `lasts` seconds.

        Raises:
            ValueError: one of them is not positive.
        """
        if lease < 1:
            raise ValueError(f"the lease must be at least 1, not {lease}")
        if not 0 < lasts < math.inf:
            raise ValueError(f"a lease must last for a positive number of seconds, not {lasts!r}")
        self.shared = store
        """The store behind, with its counters."""
        self.round_trips = 0
        """How often the shared store was asked."""
        self._lease = lease
        self._lasts = round(lasts * NANOSECONDS)
        self._leases: KeyedState[Lease] = KeyedState(_is_over, max_keys)

    async def acquire(self, asks: Sequence[Ask], now: int) -> Grant:
        """See `LimitStore.acquire`."""
        while len(asks) == 1 and asks[0].cost > 0 and self.shared.reachable:
            ask = asks[0]
            if ask.limit.algorithm in _NOT_LEASED:
                break
            lease = self._live(f"{len(ask.limit.name)}:{ask.limit.name}:{ask.key}", now)
            if lease is None:
                break
            decision = self._known(lease, ask, now)
            if decision is not None:
                return Grant(decision, (decision,))
            if lease.asking is None:
                return await self._take(lease, ask, now)
            await asyncio.shield(lease.asking)
        grant = await self._ask(asks, now)
        looks = not asks[0].cost and not grant.degraded and not any(ask.cost for ask in asks)
        return self._with_leases(grant, asks, now) if looks else grant

    async def close(self) -> None:
        """Close the shared store; what is left of leases is lost."""
        await self.shared.close()

    def _live(self, name: str, now: int) -> Lease | None:
        """The lease of `name`, empty if it is new; None where there is no room for another."""
        lease = self._leases.get(name)
        if lease is None or _is_over(lease, now):
            lease = Lease(now + self._lasts)
            return lease if self._leases.put(name, lease, now) else None
        return lease

    def _known(self, lease: Lease, ask: Ask, now: int) -> Decision | None:
        """The answer, if the shared store need not be asked; what is admitted is spent."""
        most = self.shared.most(ask.limit)
        if ask.cost <= lease.tokens:
            lease.tokens -= ask.cost
            reset_after = max(0, lease.reset_at - now)
            return new_decision((True, most, lease.tokens + lease.beyond, reset_after, None, 0))
        refusal = lease.refusal
        passed = max(0, now - lease.refused_at)
        if refusal is None or refusal.retry_after is None or refusal.retry_after <= passed:
            return None
        if ask.cost - lease.tokens != lease.refused_cost:
            return None  # which has a time of its own
        reset_after = max(0, refusal.reset_after - passed)
        return refusal._replace(reset_after=reset_after, retry_after=refusal.retry_after - passed)

    async def _take(self, lease: Lease, ask: Ask, now: int) -> Grant:
        """Take what is missing, and more if it can be had."""
        lease.asking = asyncio.get_running_loop().create_future()
        try:
            missing = ask.cost - lease.tokens
            wanted = max(missing, min(self._lease, self.shared.most(ask.limit)))
            grant = await self._ask((ask._replace(cost=wanted),), now)
            if wanted > missing and (grant.degraded or not grant.decision.allowed):
                wanted = missing
                grant = await self._ask((ask._replace(cost=wanted),), now)
            if grant.degraded:
                return grant
            decision = self._taken(lease, grant.decision, ask, wanted, now)
            return Grant(decision, (decision,))
        finally:
            lease.asking.set_result(None)
            lease.asking = None

    def _taken(self, lease: Lease, decision: Decision, ask: Ask, wanted: int, now: int) -> Decision:
        if not decision.allowed:
            decision = decision._replace(remaining=decision.remaining + lease.tokens)
            lease.refusal, lease.refused_at, lease.refused_cost = decision, now, wanted
            return decision
        # What was left is spent first, so all that remains is new.
        lease.tokens += wanted - ask.cost
        lease.beyond, lease.reset_at = decision.remaining, now + decision.reset_after
        lease.refusal, lease.ends = None, now + self._lasts
        return decision._replace(remaining=lease.tokens + lease.beyond)

    def _with_leases(self, grant: Grant, asks: Sequence[Ask], now: int) -> Grant:
        """What is left, to somebody who only looks: what is leased and not spent is left, too."""
        leases = [self._leases.get(f"{len(limit.name)}:{limit.name}:{key}") for limit, key, _ in asks]
        decisions = tuple(
            decision
            if lease is None or _is_over(lease, now)
            else decision._replace(remaining=decision.remaining + lease.tokens)
            for lease, decision in zip(leases, grant.decisions, strict=True)
        )
        return grant._replace(decision=tightest(decisions), decisions=decisions)

    async def _ask(self, asks: Sequence[Ask], now: int) -> Grant:
        self.round_trips += 1
        return await self.shared.acquire(asks, now)


def _is_over(lease: Lease, now: int) -> bool:
    return lease.ends <= now and lease.asking is None
