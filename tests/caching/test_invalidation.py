"""Invalidation: RFC 9111 4.4."""

from __future__ import annotations

import pytest

from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.caching.verdicts import Invalidate, Nothing
from api_gateway.core.identity import Identity
from tests.support.caching import Pairs, answering, asking

_URI = "http://shop.example/a/b"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH"])
@pytest.mark.parametrize("status", [200, 201, 204, 303, 399])
def test_a_change_that_succeeds_invalidates_its_target(method: str, status: int) -> None:
    outcome = answering(asking(method=method, target="/a/b"), status=status)
    assert outcome == Invalidate((_URI,), (f"uri:{_URI}",))


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_one_that_fails_does_not(status: int) -> None:
    assert isinstance(answering(asking(method="POST"), status=status), Nothing)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_safe_method_does_not(method: str) -> None:
    assert isinstance(answering(asking(method=method), ("location", "/x")), Nothing)


@pytest.mark.parametrize(
    ("headers", "keys"),
    [
        ([("location", "/x")], ["http://shop.example/x"]),
        ([("location", "x?q=1#f")], ["http://shop.example/a/x?q=1"]),
        ([("location", "../%78/./y")], ["http://shop.example/x/y"]),
        ([("content-location", "/x"), ("location", "/y")], ["http://shop.example/y", "http://shop.example/x"]),
        ([("location", "http://SHOP.example:80/x")], ["http://shop.example/x"]),
        ([("location", "//shop.example/x")], ["http://shop.example/x"]),
        ([("location", "http://shop.example")], ["http://shop.example/"]),
        ([("content-location", "")], []),
        ([("location", "https://shop.example/x")], []),
        ([("location", "http://shop.example:81/x")], []),
        ([("location", "http://shop.example.evil/x")], []),
        ([("location", "http://user@shop.example/x")], []),
        ([("location", "http://[x/")], []),
        ([("location", "/\xff")], []),
        ([("location", "mailto:x@y")], []),
    ],
)
def test_what_it_names_goes_too_if_it_is_of_the_same_origin(headers: Pairs, keys: list[str]) -> None:
    outcome = answering(asking(method="POST", target="/a/b"), *headers)
    assert isinstance(outcome, Invalidate)
    assert list(outcome.keys) == [_URI, *keys]


def test_with_a_namespace_the_tag_reaches_everybodys() -> None:
    policy = CachePolicy(identified="separate")
    identity = Identity("ada", "jwt")
    asked = asking(method="POST", target="/a/b", policy=policy, identity=identity)
    assert answering(asked, policy=policy) == Invalidate((_URI, asked.key), (f"uri:{_URI}",))
