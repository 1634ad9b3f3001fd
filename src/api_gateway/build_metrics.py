"""Build metrics: every part that counts, shown in one registry.

What it does not do: count. Each part does for itself, and is read when somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from api_gateway.backend.aggregator import Aggregator
from api_gateway.backend.backend_service import BackendService
from api_gateway.core.clock import Clock
from api_gateway.core.middleware import Handler, Middleware
from api_gateway.middleware.auth_middleware import AuthMiddleware
from api_gateway.middleware.authorization import AuthorizationMiddleware
from api_gateway.middleware.bulkhead import BulkheadMiddleware
from api_gateway.middleware.cache.cache_middleware import CacheMiddleware
from api_gateway.middleware.cache.metrics import CacheMetrics
from api_gateway.middleware.circuit_breaking import CircuitBreakingMiddleware
from api_gateway.middleware.cors import CorsMiddleware
from api_gateway.middleware.fallback import FallbackMiddleware
from api_gateway.middleware.header_filter import HeaderFilterMiddleware
from api_gateway.middleware.hedge import HedgeMiddleware
from api_gateway.middleware.ip_filter import IpFilterMiddleware
from api_gateway.middleware.load_shedding import LoadSheddingMiddleware
from api_gateway.middleware.metrics.aggregates import AggregateMetrics
from api_gateway.middleware.metrics.attempts import AttemptMetrics
from api_gateway.middleware.metrics.auth import AuthMetrics
from api_gateway.middleware.metrics.circuits import CircuitMetrics
from api_gateway.middleware.metrics.concurrency import ConcurrencyMetrics
from api_gateway.middleware.metrics.filters import FilterMetrics
from api_gateway.middleware.metrics.health import HealthMetrics
from api_gateway.middleware.retry import RetryMiddleware
from api_gateway.middleware.transform.metrics import TransformMetrics
from api_gateway.middleware.transform.transform_middleware import TransformMiddleware


def show_in(
    registry: CollectorRegistry, lists: Mapping[str, Sequence[Middleware]], services: Iterable[Handler], clock: Clock
) -> None:
    """Show the middleware of all lists, by the names of their owners, and the services, with what is around them."""
    aggregates, health = AggregateMetrics(), HealthMetrics(clock)
    owners = dict(lists)
    for service in services:
        if isinstance(service, BackendService):
            health.watch(service.health, service.checker)
            owners[service.name] = service.middleware
        elif isinstance(service, Aggregator):
            aggregates.watch(service)
    layers = [(owner, layer) for owner, its_layers in owners.items() for layer in its_layers]
    for collector in (*_of_requests(layers), *_of_failures(layers), aggregates, health):
        registry.register(collector)


def _of_requests(layers: Iterable[tuple[str, Middleware]]) -> Iterator[Collector]:
    """Who may call, and what is kept or changed."""
    auth, caches, filters, transforms = AuthMetrics(), CacheMetrics(), FilterMetrics(), TransformMetrics()
    for owner, layer in layers:
        match layer:
            case AuthMiddleware() | AuthorizationMiddleware():
                auth.watch(layer)
            case IpFilterMiddleware() | HeaderFilterMiddleware() | CorsMiddleware():
                filters.watch(owner, layer)
            case CacheMiddleware():
                caches.watch(owner, layer)
            case TransformMiddleware():
                transforms.watch(owner, layer)
    yield from (auth, caches, filters, transforms)


def _of_failures(layers: Iterable[tuple[str, Middleware]]) -> Iterator[Collector]:
    """What is done when services fail, or there is too much to do."""
    attempts, circuits, concurrency = AttemptMetrics(), CircuitMetrics(), ConcurrencyMetrics()
    for owner, layer in layers:
        match layer:
            case RetryMiddleware() | HedgeMiddleware() | FallbackMiddleware():
                attempts.watch(owner, layer)
            case CircuitBreakingMiddleware():
                circuits.watch(layer)
            case BulkheadMiddleware() | LoadSheddingMiddleware():
                concurrency.watch(layer)
    yield from (attempts, circuits, concurrency)
