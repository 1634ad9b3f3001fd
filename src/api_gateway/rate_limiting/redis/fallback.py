"""Fallback: what becomes of requests while the shared store is out of reach.

| `on_store_error` | rule                                      | price                                              |
|------------------|-------------------------------------------|----------------------------------------------------|
| `admit`          | everything that could ever be admitted is | no limit, as long as the outage lasts              |
| `refuse`         | nothing is                                | the store's outage is everybody's                  |
| `local`          | each of N gateways holds to 1 / N         | traffic that is spread unevenly is refused wrongly |

The share of a bucket: its rate / N, exactly, and its burst / N rounded down, but at least 1. Of a window: limit /
N rounded down; where that is none, 1 in a period that is so many times longer. Of `concurrency`: limit / N
rounded down, but at least 1.

Bound of `local`: N shares together are at most the limit; where there are more gateways than the burst or the
limit is great, in the long run still, but in one instant N instead. Local states begin empty at the first outage and
are kept for the next; what the shared store knew is not known here, so at the change each limit may be used
up once more. Each change, not each request, costs that.

What it does not do: find out how many gateways there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

from api_gateway.rate_limiting.all_or_nothing import tightest
from api_gateway.rate_limiting.limit_store import Ask, Grant, Limit
from api_gateway.rate_limiting.limiters import WINDOWS, at_once, limiter_of
from api_gateway.rate_limiting.memory_store import MemoryStore
from api_gateway.rate_limiting.rate_limiter import NANOSECONDS, Decision, new_decision

OnStoreError: TypeAlias = Literal["admit", "refuse", "local"]

RETRY_AFTER = NANOSECONDS
"""What a request that is refused for want of a store is told: a store that is back is noticed within that."""


class Fallback:
    """Decides without the server."""

    __slots__ = ("_limits", "_local", "_most", "meanwhile", "policy")

    def __init__(self, policy: OnStoreError, most: dict[Limit, int], gateways: int) -> None:
        """`most` is what each limit can admit at one instant.

        Raises:
            ValueError: the policy is unknown, or there are less than one gateway.
        """
        if policy not in get_args(OnStoreError):
            raise ValueError(f"on_store_error must be 'admit', 'refuse' or 'local', not {policy!r}")
        if gateways < 1:
            raise ValueError(f"gateways must be at least 1, not {gateways}")
        self.policy = policy
        shares = {limit: limit_of_one(limit, gateways) for limit in most} if policy == "local" else {}
        self._local = MemoryStore({limit: limiter_of(share) for limit, share in shares.items()})
        self._most = most
        self.meanwhile = {
            "admit": "requests are admitted",
            "refuse": "requests are refused",
            "local": f"this gateway holds to one part in {gateways} of each limit",
        }[policy]
        """For the log."""

    async def acquire(self, asks: Sequence[Ask], now: int) -> Grant:
        """See `LimitStore.acquire`."""
        if self.policy == "local":
            return (await self._local.acquire(asks, now))._replace(degraded="local")
        decide = self._admit if self.policy == "admit" else self._refuse
        decisions = tuple(decide(ask) for ask in asks)
        return Grant(tightest(decisions), decisions, degraded=self.policy)

    def _admit(self, ask: Ask) -> Decision:
        most = self._most[ask.limit]
        if ask.cost > most:
            return new_decision((False, most, most, 0, None, 0))
        return new_decision((True, most, most - ask.cost, 0, None, 0))

    def _refuse(self, ask: Ask) -> Decision:
        most = self._most[ask.limit]
        return new_decision((False, most, 0, RETRY_AFTER, RETRY_AFTER if ask.cost <= most else None, 0))


def limit_of_one(limit: Limit, gateways: int) -> Limit:
    """What one of so many gateways holds to by itself; see the module."""
    if limit.algorithm == "concurrency":
        return limit._replace(limit=max(1, limit.limit // gateways))
    if limit.algorithm in WINDOWS:
        # The burst of a window is its limit, if it is given at all.
        share, stretched = max(1, limit.limit // gateways), -(-gateways // limit.limit)
        return limit._replace(limit=share, period=limit.period * stretched, burst=None)
    in_turn = 1 if limit.algorithm == "leaky_bucket_queue" else 0  # which its burst leaves out
    return limit._replace(period=limit.period * gateways, burst=max(1, at_once(limit) // gateways) - in_turn)
