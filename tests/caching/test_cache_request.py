"""Cache request: what is looked up, under what key."""

from __future__ import annotations

import pytest

from api_gateway.caching.cache_policy import CachePolicy, Identified
from api_gateway.caching.verdicts import Forward, Unsatisfiable
from api_gateway.core.identity import Identity
from tests.support.caching import asking

_ADA = Identity("ada", "jwt")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_plain_request_is_looked_up(method: str) -> None:
    asked = asking(method=method)
    assert asked.bypass is None
    assert asked.key == asked.uri == "http://shop.example/a"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "M-SEARCH", "get"])
def test_other_methods_are_not(method: str) -> None:
    asked = asking(("cache-control", "only-if-cached"), method=method)
    assert asked.bypass == Forward(asked.request, "method")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("cache-control", "no-store", "request"),
        ("if-match", '"a"', "request"),
        ("if-unmodified-since", "x", "request"),
        ("x-http-method-override", "DELETE", "bypass"),
        ("x-original-url", "/admin", "bypass"),
    ],
)
def test_requests_that_are_passed_by(name: str, value: str, reason: str) -> None:
    bypass = asking((name, value)).bypass
    assert isinstance(bypass, Forward)
    assert (bypass.reason, bypass.collapsible) == (reason, False)


def test_a_get_with_a_body_is_passed_by() -> None:
    assert isinstance(asking(body=b"x").bypass, Forward)


def test_what_is_passed_by_is_not_forwarded_against_the_clients_will() -> None:
    assert asking(("cache-control", "only-if-cached, no-store")).bypass == Unsatisfiable("request")


@pytest.mark.parametrize(("identified", "own_key"), [("separate", True), ("share", False)])
def test_known_callers_are_looked_up_if_configured(identified: Identified, *, own_key: bool) -> None:
    asked = asking(("authorization", "Bearer x"), policy=CachePolicy(identified=identified), identity=_ADA)
    assert asked.bypass is None
    assert (asked.key != asked.uri) is own_key
    assert not asked.authorized


def test_known_callers_are_passed_by_otherwise() -> None:
    assert isinstance(asking(identity=_ADA).bypass, Forward)


@pytest.mark.parametrize("identified", ["bypass", "separate", "share"])
def test_an_authorization_that_nobody_has_proved_counts_as_one(identified: Identified) -> None:
    assert asking(("authorization", "x"), policy=CachePolicy(identified=identified)).authorized


@pytest.mark.parametrize("hosts", [["evil.example"], ["evil.example", "shop.example"]])
def test_another_forwarded_host_makes_another_key(hosts: list[str]) -> None:
    asked = asking(*[("x-forwarded-host", host) for host in hosts])
    assert asked.key not in (asked.uri, asking().key)
    assert asking(("x-forwarded-host", "shop.example")).key == asking().key


def test_request_directives_can_be_ignored_but_for_two() -> None:
    policy = CachePolicy(obey_requests=False)
    directives = asking(("cache-control", "no-cache, max-age=0, only-if-cached"), policy=policy).directives
    assert not directives.no_cache
    assert directives.max_age is None
    assert directives.only_if_cached
    assert isinstance(asking(("cache-control", "no-store"), policy=policy).bypass, Forward)


def test_pragma_counts_without_cache_control() -> None:
    assert asking(("pragma", "no-cache")).directives.no_cache
    assert not asking(("pragma", "no-cache"), ("cache-control", "max-age=9")).directives.no_cache
