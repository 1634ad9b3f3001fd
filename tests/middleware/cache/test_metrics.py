"""Cache metrics: what is counted is shown, by the list in which the cache stands."""

from __future__ import annotations

from random import Random

from prometheus_client import CollectorRegistry

from api_gateway import Request, RequestContext, Response
from api_gateway.caching.memory_store import MemoryCacheStore
from api_gateway.core.clock import ManualClock
from api_gateway.middleware.cache.cache_middleware import CacheMiddleware
from api_gateway.middleware.cache.metrics import CacheMetrics


async def service(_request: Request, _context: RequestContext) -> Response:
    return Response(200, {"cache-control": "max-age=60"}, b"four")


async def test_requests_and_what_is_kept_are_shown_by_cache() -> None:
    clock = ManualClock(wall=1_800_000_000.0)
    cache = CacheMiddleware(MemoryCacheStore(1_000_000, clock), clock=clock, random=Random(1))
    metrics, registry = CacheMetrics(), CollectorRegistry()
    metrics.watch("route shop", cache)
    registry.register(metrics)
    for method in ("GET", "GET", "GET", "OPTIONS"):
        await (await cache(Request(method, "/a", {"host": "x"}), RequestContext(), service)).read()

    def shown(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"api_gateway_cache_{name}", {"cache": "route shop", **labels})

    assert [shown("requests_total", result=result) for result in ("hit", "miss", "bypass", "stale")] == [2, 1, 1, 0]
    assert (shown("stored_total"), shown("stored_bytes_total"), shown("entries"), shown("store_up")) == (1, 4, 1, 1)
    assert (shown("store_errors_total"), shown("evictions_total")) == (0, 0)
    assert (shown("bytes") or 0) > 4
