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
from api_gateway.middleware.aggregate_metrics import AggregateMetrics
from api_gateway.middleware.attempt_metrics import AttemptMetrics
from api_gateway.middleware.auth_metrics import AuthMetrics
from api_gateway.middleware.auth_middleware import AuthMiddleware
from api_gateway.middleware.authorization import AuthorizationMiddleware
from api_gateway.middleware.bulkhead import BulkheadMiddleware
from api_gateway.middleware.cache import CacheMiddleware
from api_gateway.middleware.cache_metrics import CacheMetrics
from api_gateway.middleware.circuit_breaking import CircuitBreakingMiddleware
from api_gateway.middleware.circuit_metrics import CircuitMetrics
from api_gateway.middleware.concurrency_metrics import ConcurrencyMetrics
from api_gateway.middleware.cors import CorsMiddleware
from api_gateway.middleware.fallback import FallbackMiddleware
from api_gateway.middleware.filter_metrics import FilterMetrics
from api_gateway.middleware.header_filter import HeaderFilterMiddleware
from api_gateway.middleware.health_metrics import HealthMetrics
from api_gateway.middleware.hedge import HedgeMiddleware
from api_gateway.middleware.ip_filter import IpFilterMiddleware
from api_gateway.middleware.load_shedding import LoadSheddingMiddleware
from api_gateway.middleware.retry import RetryMiddleware
from api_gateway.middleware.transform import TransformMiddleware
from api_gateway.middleware.transform_metrics import TransformMetrics


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
