"""Build rate limits: from entries of the configuration to policies, stores and middleware.

The part of `build.py` that has to see all entries at once: names are unique in the whole gateway, and entries
that say the same of the store share one, with its connections.

Rule: a policy without a name is called by its key and rate, and by a number behind that where another in the
file says the same. A store is made when the first entry that needs it is, and is closed with the gateway.

What it does not do: open a connection; a shared store does so at the first request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from api_gateway.build_redis import redis_package
from api_gateway.config.rate_limit_schema import MEMORY, SHARED_STORE_OPTIONS, LimitOptions, RateLimitOptions
from api_gateway.config.request_key import HEADER
from api_gateway.config.schema import GatewayConfig
from api_gateway.core.clock import Clock
from api_gateway.middleware.rate_limit.keys import (
    ByHeader,
    ByRoute,
    KeyFunction,
    RouteFinder,
    by_client_ip,
    by_identity,
    combined,
)
from api_gateway.middleware.rate_limit.metrics import RateLimitMetrics
from api_gateway.middleware.rate_limit.policy import RatePolicy
from api_gateway.middleware.rate_limit.rate_limit_middleware import RateLimitMiddleware
from api_gateway.rate_limiting.keyed_rate_limiter import KeyedRateLimiter
from api_gateway.rate_limiting.limit_store import Limit, LimitStore
from api_gateway.rate_limiting.limiters import limiter_of
from api_gateway.rate_limiting.memory_store import MemoryStore


@dataclass(slots=True)
class _Shared:
    """A store, and what it is for."""

    limits: list[Limit] = field(default_factory=list)
    store: LimitStore | None = None


class RateLimits:
    """The rate limits of one gateway."""

    def __init__(self, config: GatewayConfig, find_route: RouteFinder, clock: Clock) -> None:
        """Of a checked configuration."""
        self.metrics = RateLimitMetrics()
        self._find_route = find_route
        self._clock = clock
        self._names: set[str] = set()
        self._policies: dict[int, list[RatePolicy]] = {}  # by the entry itself: two may be equal
        self._shared: dict[object, _Shared] = {}
        lists = [config.middleware, *(route.middleware for route in config.routes)]
        for options in (entry.rate_limit for entries in lists for entry in entries):
            if options is None:
                continue
            policies = self._policies[id(options)] = [self._policy(limit) for limit in options.all_limits]
            shared = self._shared.setdefault(_store_key(options), _Shared())
            shared.limits += [limit for policy in policies for limit in policy.limits]

    @property
    def stores(self) -> tuple[LimitStore, ...]:
        """The stores that were made; whoever owns the gateway closes them."""
        return tuple(shared.store for shared in self._shared.values() if shared.store is not None)

    def middleware(self, options: RateLimitOptions) -> RateLimitMiddleware:
        """The middleware for one of the entries.

        Raises:
            ConfigurationError: its store cannot be made.
        """
        shared = self._shared[_store_key(options)]
        if shared.store is None:
            shared.store = self._store(options, shared.limits)
        return RateLimitMiddleware(
            self._policies[id(options)],
            shared.store,
            dry_run=options.dry_run,
            legacy_headers=options.legacy_headers,
            clock=self._clock,
            metrics=self.metrics,
        )

    def _policy(self, options: LimitOptions) -> RatePolicy:
        name = options.name or self._unused(options.made_name)
        algorithm = options.algorithm
        return RatePolicy(
            options.limit_of(algorithm, name),
            combined([self._key(part) for part in options.key]),
            options.cost,
            {tier: numbers.limit_of(algorithm, f"{name}:{tier}") for tier, numbers in options.tiers.items()},
            " and ".join(options.key),
        )

    def _unused(self, made: str) -> str:
        name, number = made, 1
        while name in self._names:
            number += 1
            name = f"{made}#{number}"
        self._names.add(name)
        return name

    def _key(self, part: str) -> KeyFunction:
        if part.startswith(HEADER):
            return ByHeader(part.removeprefix(HEADER))
        if part == "route":
            return ByRoute(self._find_route)
        return by_identity if part == "identity" else by_client_ip

    def _store(self, options: RateLimitOptions, limits: Sequence[Limit]) -> LimitStore:
        if options.store != MEMORY:
            return self._shared_store(options, limits)
        limiters = {limit: limiter_of(limit) for limit in limits}
        for limit, limiter in limiters.items():
            if isinstance(limiter, KeyedRateLimiter):
                self.metrics.watch(limit.name, limiter.table)
        return MemoryStore(limiters)

    def _shared_store(self, options: RateLimitOptions, limits: Sequence[Limit]) -> LimitStore:
        with redis_package():
            from api_gateway.rate_limiting.redis import LeaseStore, RedisStore

            store = RedisStore(
                options.store,
                limits,
                on_store_error=options.on_store_error,
                gateways=options.gateways,
                timeout=options.store_timeout,
                prefix=options.store_prefix,
            )
        self.metrics.watch_store(store.shown, store)
        return store if options.lease is None else LeaseStore(store, options.lease, lasts=options.lease_time)


def _store_key(options: RateLimitOptions) -> object:
    return tuple(getattr(options, field) for field in SHARED_STORE_OPTIONS) if options.store != MEMORY else MEMORY
