"""Limits on what is in flight, from the configuration.

What it does not do: place them. `build.py` says where they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from api_gateway.config.concurrency_schema import ConcurrencyConfig
from api_gateway.config.load_shedding_schema import LoadSheddingOptions
from api_gateway.config.priority_schema import PriorityConfig
from api_gateway.core.clock import NANOSECONDS, Clock
from api_gateway.middleware.bulkhead import BulkheadMiddleware
from api_gateway.middleware.load_shedding import LoadSheddingMiddleware
from api_gateway.middleware.request_priority import PriorityOf, RequestPriority, same_for_all
from api_gateway.resilience.adaptive_limit import AdaptiveLimit
from api_gateway.resilience.aimd import AIMDLimit
from api_gateway.resilience.expected_wait import ExpectedWait
from api_gateway.resilience.gradient2 import Gradient2Limit
from api_gateway.resilience.priority import PRIORITIES
from api_gateway.resilience.vegas import VegasLimit


def _gradient2(config: ConcurrencyConfig) -> AdaptiveLimit:
    return Gradient2Limit(config.initial_limit, least=config.min_limit, most=config.max_limit)


def _vegas(config: ConcurrencyConfig) -> AdaptiveLimit:
    return VegasLimit(config.initial_limit, least=config.min_limit, most=config.max_limit)


def _aimd(config: ConcurrencyConfig) -> AdaptiveLimit:
    assert config.too_slow is not None, "checked"
    too_slow = round(config.too_slow * NANOSECONDS)
    return AIMDLimit(too_slow, config.initial_limit, least=config.min_limit, most=config.max_limit)


ADAPTIVE_LIMITS: Mapping[str, Callable[[ConcurrencyConfig], AdaptiveLimit]] = {
    "gradient2": _gradient2,
    "vegas": _vegas,
    "aimd": _aimd,
}


def bulkhead(
    config: ConcurrencyConfig, name: str, clock: Clock, priority: PriorityConfig | None = None
) -> BulkheadMiddleware:
    """The limit that `config` describes; `priority` holds where it has none of its own."""
    return BulkheadMiddleware(
        config.limit if isinstance(config.limit, int) else ADAPTIVE_LIMITS[config.algorithm](config),
        config.queue,
        name=name,
        max_wait=config.max_wait,
        priority_of=_priority_of(config.priority or priority),
        expected_wait=ExpectedWait() if config.queue else None,
        clock=clock,
    )


def load_shedding(options: LoadSheddingOptions, clock: Clock) -> LoadSheddingMiddleware:
    """The load shedding that `options` describe."""
    return LoadSheddingMiddleware(
        bulkhead(options.concurrency, "load_shedding", clock, options.priority),
        options.max_lag,
        priority_of=_priority_of(options.priority),
        clock=clock,
    )


def _priority_of(config: PriorityConfig | None) -> PriorityOf:
    if config is None:
        return same_for_all
    return RequestPriority(
        PRIORITIES[config.default],
        tiers={tier: PRIORITIES[name] for tier, name in config.tiers.items()},
        routes={route: PRIORITIES[name] for route, name in config.routes.items()},
        header=config.header or "",
        trust_header=config.trust_header,
    )
