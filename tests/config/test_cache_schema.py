"""The cache's options: their defaults, how they are written, and what contradicts itself."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.config.cache_schema import CacheOptions


def read(**options: object) -> CacheOptions:
    return CacheOptions.model_validate(options)


def test_a_bare_cache_is_in_memory_and_keeps_to_the_standard() -> None:
    options = read()
    assert (options.max_size, options.max_body, options.store) == (64 * 2**20, 2**20, "memory")
    assert options.policy() == CachePolicy()
    assert options.max_entry_size == 4 * 2**20


def test_the_documented_spelling_is_read() -> None:
    assert read(max_size="64MiB", store="memory").max_size == 64 * 2**20
    options = read(
        store="redis://cache:6379/0",
        store_prefix="shop",
        store_timeout="100ms",
        per="identity",
        stale_while_revalidate="30s",
        stale_if_error="1h",
        early_refresh=0,
        heuristic_fraction="0",
        sort_query=True,
        namespace="gold",
        warm=["https://shop.example/products?page=1"],
    )
    assert options.policy() == CachePolicy(
        identified="separate",
        stale_while_revalidate=30.0,
        stale_if_error=3600.0,
        early_refresh=0.0,
        heuristic_fraction=0.0,
        sort_query=True,
        namespace="gold",
    )
    assert options.store_timeout == 0.1
    assert read(shared=True).policy().identified == "share"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"shared": True, "per": "identity"}, "either shared or each caller's own"),
        ({"per": "address"}, "unknown per 'address'"),
        ({"store_timeout": "1s"}, "store_timeout is for a shared store"),
        ({"store_prefix": "x"}, "store_prefix is for a shared store"),
        ({"store": "redis://h:1", "max_size": "1MiB"}, "max_size is for the memory store"),
        ({"store": "http://h"}, "neither memory nor a redis:// URL"),
        ({"max_size": "1MiB"}, "more than half of the cache"),
        ({"early_refresh": -1}, "expected a factor"),
        ({"early_refresh": "nan"}, "expected a factor"),
        ({"early_refresh": True}, "expected a factor"),
        ({"heuristic_fraction": 1.5}, "expected a fraction"),
        ({"warm": ["/products"]}, "no URL as a client would ask for it"),
        ({"warm": "https://shop.example/"}, "expected a list of URLs"),
        ({"max_bodies": 1}, "unknown key 'max_bodies'"),
    ],
    ids=str,
)
def test_what_contradicts_itself_is_refused_with_a_remedy(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        read(**options)
    assert said in str(caught.value)


def test_a_smaller_cache_needs_smaller_bodies() -> None:
    assert read(max_size="1MiB", max_body="100KiB").max_entry_size == 400 * 1024
    assert read(max_size="1MiB", max_body="500KiB").max_entry_size == 2**20
