"""Build cache: a cache and the store that it keeps answers in, made of its options.

Rule: a memory store belongs to its entry. Entries with the same shared store share the connections to it.

What it does not do: open a connection; a shared store does so at the first request.
"""

from __future__ import annotations

from functools import partial

from api_gateway.build_redis import redis_package
from api_gateway.build_tools import Tools
from api_gateway.caching.cache_store import CacheStore
from api_gateway.caching.memory_store import MemoryCacheStore
from api_gateway.config.cache_schema import CacheOptions
from api_gateway.config.rate_limit_schema import MEMORY
from api_gateway.core.middleware import Middleware
from api_gateway.middleware.cache.cache_middleware import CacheMiddleware


def cache(options: object, tools: Tools) -> Middleware:
    """Answers kept and used again."""
    assert isinstance(options, CacheOptions)
    layer = CacheMiddleware(
        _store(options, tools),
        options.policy(tools.route_headers),
        tools.clock,
        tools.random,
        max_body=options.max_body,
        refreshes=options.refreshes,
        refresh_timeout=options.refresh_timeout,
    )
    tools.resources.append(layer)
    return layer


def _store(options: CacheOptions, tools: Tools) -> CacheStore:
    if options.store == MEMORY:
        memory = MemoryCacheStore(options.max_size, tools.clock, max_entry_size=options.max_entry_size)
        tools.resources.append(memory)
        return memory
    alike = (options.store, options.store_prefix, options.store_timeout, options.max_body)
    return tools.shared(alike, partial(_shared_store, options, tools))


def _shared_store(options: CacheOptions, tools: Tools) -> CacheStore:
    with redis_package():
        from api_gateway.caching.redis import RedisCacheStore

        store = RedisCacheStore(
            options.store,
            max_entry_size=4 * options.max_body,
            timeout=options.store_timeout,
            prefix=options.store_prefix,
        )
    tools.resources.append(store)
    return store
