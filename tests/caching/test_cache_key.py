"""Cache key: nothing that the answer depends on is missing."""

from __future__ import annotations

import pytest

from api_gateway.caching.cache_key import key_of, tag_of, uri_of
from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.core.headers import Headers
from api_gateway.core.identity import Identity

_POLICY = CachePolicy()


@pytest.mark.parametrize(
    ("scheme", "host", "query", "uri"),
    [
        ("http", "Shop.Example", "", "http://shop.example/a"),
        ("http", "shop.example:80", "", "http://shop.example/a"),
        ("https", "shop.example:80", "", "https://shop.example:80/a"),
        ("https", "shop.example:443", "", "https://shop.example/a"),
        ("http", "shop.example:8080", "", "http://shop.example:8080/a"),
        ("http", "shop.example", "b=1&A=2&b=0", "http://shop.example/a?b=1&A=2&b=0"),
        ("http", "", "", "http:///a"),
    ],
)
def test_the_uri(scheme: str, host: str, query: str, uri: str) -> None:
    assert uri_of(scheme, host, "/a", query, _POLICY) == uri


def test_sorting_a_query_keeps_the_order_of_one_name() -> None:
    policy = CachePolicy(sort_query=True)
    assert uri_of("http", "h", "/", "b=2&a=1&b=1", policy) == uri_of("http", "h", "/", "b=2&b=1&a=1", policy)
    assert uri_of("http", "h", "/", "b=2&b=1", policy) != uri_of("http", "h", "/", "b=1&b=2", policy)


def test_a_key_begins_with_its_uri() -> None:
    assert key_of("http://h/a", _POLICY) == "http://h/a"
    assert key_of("http://h/a", CachePolicy(namespace="gold")).startswith("http://h/a ")
    assert tag_of("http://h/a") == "uri:http://h/a"


def test_whatever_a_service_is_told_about_the_caller_makes_another_key() -> None:
    callers = [
        None,
        Identity("ada", "jwt"),
        Identity("ada", "api_key"),
        Identity("ada", "jwt", issuer="b"),
        Identity("bob", "jwt"),
        Identity("ada", "jwt", scopes=frozenset({"read"})),
        Identity("ada", "jwt", scopes=frozenset({"read", "write"})),
        Identity("ada", "jwt", roles=frozenset({"read"})),
        Identity("ada", "jwt", tier="gold"),
        Identity("ada", "jwt", consumer="app"),
    ]
    assert len({key_of("http://h/a", _POLICY, caller) for caller in callers}) == len(callers)


def test_the_same_caller_has_the_same_key() -> None:
    one, other = (Identity("ada", "jwt", scopes=frozenset(scopes)) for scopes in (["a", "b"], ["b", "a"]))
    assert key_of("u", _POLICY, one) == key_of("u", _POLICY, other)


def test_namespace_and_forwarded_host_are_not_mixed_up() -> None:
    assert key_of("u", CachePolicy(namespace="x")) != key_of("u", _POLICY, None, "x")


def test_what_chooses_the_route_is_in_the_key() -> None:
    policy = CachePolicy(chosen_by=("x-tier",))
    tiers = [{}, {"x-tier": ""}, {"x-tier": "gold"}, {"X-Tier": "silver"}]
    keys = [key_of("u", policy, headers=Headers(headers)) for headers in tiers]
    assert len(set(keys)) == len(tiers)
    assert key_of("u", policy, headers=Headers({"x-tier": "gold", "x-other": "1"})) == keys[2]
