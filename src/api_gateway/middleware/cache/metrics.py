"""Cache metrics: whether a cache is worth its memory, and whether its store is well.

| metric                                   | labels        | counts                                             |
|------------------------------------------|---------------|----------------------------------------------------|
| api_gateway_cache_requests_total         | cache, result | requests by what became of them (`counts.py`) |
| api_gateway_cache_refreshes_total        | cache         | requests made in the background                    |
| api_gateway_cache_refresh_failures_total | cache         | those of them that brought nothing                 |
| api_gateway_cache_stored_total           | cache         | answers handed to the store                        |
| api_gateway_cache_stored_bytes_total     | cache         | bytes of their bodies                              |
| api_gateway_cache_store_errors_total     | cache         | questions the store could not be asked             |
| api_gateway_cache_store_up               | cache         | processes that reach the store                     |
| api_gateway_cache_entries                | cache         | keys kept in this process's memory                 |
| api_gateway_cache_bytes                  | cache         | bytes they take                                    |
| api_gateway_cache_evictions_total        | cache         | keys that gave way to others                       |

Rule: read when somebody asks. Two caches that share one store both show the store's numbers.

Bound: `cache` is the list where the cache stands, as the configuration names it; no key is ever a label.

What it does not do: look into a shared store: its own server tells how full that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api_gateway.caching.memory_store import MemoryCacheStore
from api_gateway.middleware.cache.cache_middleware import CacheMiddleware


class CacheMetrics(Collector):
    """Counts of all caches of one gateway; register it where they shall be read."""

    def __init__(self) -> None:
        self._caches: dict[str, CacheMiddleware] = {}

    def watch(self, owner: str, cache: CacheMiddleware) -> None:
        """Show `cache`, which stands in the list of `owner`."""
        self._caches[owner] = cache

    def describe(self) -> Iterator[Metric]:
        """The names, so that a registry refuses a second set."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand."""
        requests = CounterMetricFamily("api_gateway_cache_requests", "Requests at a cache.", labels=["cache", "result"])
        for owner, cache in self._caches.items():
            for result, count in cache.counts.requests.items():
                requests.add_metric([owner, result], count)
        yield requests
        for name, about, number in _COUNTERS:
            family = CounterMetricFamily(f"api_gateway_cache_{name}", about, labels=["cache"])
            for owner, cache in self._caches.items():
                family.add_metric([owner], number(cache))
            yield family
        up = GaugeMetricFamily("api_gateway_cache_store_up", "Whether the store is in reach.", labels=["cache"])
        for owner, cache in self._caches.items():
            up.add_metric([owner], cache.keeper.reachable)
        yield up
        yield from self._of_memory()

    def _of_memory(self) -> Iterator[Metric]:
        entries = GaugeMetricFamily("api_gateway_cache_entries", "Keys kept in memory.", labels=["cache"])
        size = GaugeMetricFamily("api_gateway_cache_bytes", "Bytes they take.", labels=["cache"])
        evictions = CounterMetricFamily("api_gateway_cache_evictions", "Keys that gave way.", labels=["cache"])
        for owner, cache in self._caches.items():
            store = cache.keeper.store
            if isinstance(store, MemoryCacheStore):
                entries.add_metric([owner], store.entries)
                size.add_metric([owner], store.bytes)
                evictions.add_metric([owner], store.evictions)
        yield from (entries, size, evictions)


_COUNTERS: tuple[tuple[str, str, Callable[[CacheMiddleware], int]], ...] = (
    ("refreshes", "Requests made in the background.", lambda cache: cache.counts.refreshes),
    ("refresh_failures", "Refreshes that brought nothing.", lambda cache: cache.counts.refresh_failures),
    ("stored", "Answers handed to the store.", lambda cache: cache.keeper.stored),
    ("stored_bytes", "Bytes of stored bodies.", lambda cache: cache.keeper.stored_bytes),
    ("store_errors", "Questions the store could not be asked.", lambda cache: cache.keeper.errors),
)
