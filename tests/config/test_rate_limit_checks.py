"""Rate-limit checks: each refusal, with its place."""

# ruff: noqa: E501  # a table of mistakes and messages reads best in rows

from __future__ import annotations

import pytest

from api_gateway.config.problems import unplaced
from api_gateway.config.validate import validate
from tests.support.config_files import problems_of, with_service

RATE_REMEDY = "write a rate such as 100/s, 5/min, 1000/h or 10/10s"


def said_of(*entries: object) -> list[str]:
    document = {"middleware": [{"rate_limit": entry} for entry in entries], "routes": [{"path": "/", "service": "s"}]}
    config, findings = validate(document, provided=["s"])
    assert (config is None) == bool(findings)
    return sorted(str(unplaced(findings)).splitlines())


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (None, ": rate_limit needs a value; write rate_limit: {rate: 100/s}"),
        ({}, ".rate_limit: the key 'rate' is missing; add 'rate: 100/s'"),
        ("100/s", ".rate_limit: expected a mapping, not '100/s'; write keys with values"),
        ({"rate": 100}, f".rate_limit.rate: expected a rate, not the number 100; {RATE_REMEDY}"),
        ({"rate": "100/fortnight"}, ".rate_limit.rate: '100/fortnight' has the unit 'fortnight', which is none of ms, s, m, h, min, d; " + RATE_REMEDY),
        ({"rate": "1/s", "algorithm": "tokenbucket"}, ".rate_limit.algorithm: unknown algorithm 'tokenbucket'; did you mean 'token_bucket'?"),
        ({"rate": "1/s", "key": "client_id"}, ".rate_limit.key[0]: unknown key 'client_id'; did you mean 'client_ip'?"),
        ({"rate": "1/s", "key": "header:"}, ".rate_limit.key[0]: expected text, found none; fill it in, or leave the key out"),
        ({"rate": "1/s", "key": "header:X Y"}, ".rate_limit.key[0]: 'X Y' is not a header name; use letters, digits and hyphens"),
        ({"rate": "1/s", "key": "header:Connection"}, ".rate_limit.key[0]: the header 'Connection' never reaches a route: the edge removes it; choose another header"),
        ({"rate": "1/s", "key": []}, ".rate_limit.key: expected a key, or several; write client_ip, identity, route, header:NAME, or a list of them"),
        ({"rate": "1/s", "key": ["header:A", "header:a"]}, ".rate_limit.key[1]: the key header:a is there twice; remove one"),
        ({"rate": "1/s", "brust": 2}, ".rate_limit.brust: unknown key 'brust'; did you mean 'burst'?"),
        ({"rate": "1/s", "burst": 0}, ".rate_limit.burst: with a burst of 0 nothing is ever admitted; write at least 1"),
        ({"rate": "1/s", "burst": -1}, ".rate_limit.burst: expected a burst; write a whole number from 0 to 1000000"),
        ({"rate": "5/s", "burst": 9, "algorithm": "fixed_window"}, ".rate_limit.burst: fixed_window admits its whole rate at once, so its burst is 5; remove it, or choose another algorithm"),
        ({"rate": "5/s", "limit": 9}, ".rate_limit.limit: token_bucket takes a rate, not a limit; write rate: 100/s"),
        ({"limit": 9, "rate": "5/s", "algorithm": "concurrency"}, ".rate_limit.rate: concurrency counts requests at once, not in a time; write limit: 100, or choose another algorithm"),
        ({"algorithm": "concurrency"}, ".rate_limit: the key 'limit' is missing; add 'limit: 100', how many at once"),
        ({"algorithm": "concurrency", "limit": 5, "burst": 5}, ".rate_limit.burst: concurrency has no burst; remove it"),
        ({"rate": "5/s", "cost": 6}, ".rate_limit.cost: a cost of 6 is never admitted where 5 is the most at once; lower the cost, or raise the burst"),
        ({"rate": "5/s", "cost": 3, "tiers": {"free": "2/s"}}, ".rate_limit.cost: a cost of 3 is never admitted where 2 is the most at once; lower the cost, or raise the burst"),
        ({"rate": "5/s", "tiers": {"gold": 5}}, ".rate_limit.tiers.gold.limit: token_bucket takes a rate, not a limit; write rate: 100/s"),
        ({"rate": "5/s", "tiers": {"go ld": "5/s"}}, ".rate_limit.tiers.go ld: 'go ld' is not a name for this; use up to 64 letters, digits, '.', '_' and '-'"),
        ({"rate": "5/s", "tiers": {"gold": {"burst": 5}}}, ".rate_limit.tiers.gold: the key 'rate' is missing; add 'rate: 100/s'"),
        ({"rate": "5/s", "name": "a:b"}, ".rate_limit.name: 'a:b' is not a name for this; use up to 64 letters, digits, '.', '_' and '-'"),
        ({"rate": "5/s", "store": "postgres://h"}, ".rate_limit.store: the store is neither memory nor a redis:// URL; write memory, or redis://host:port/database"),
        ({"rate": "5/s", "store": "redis://"}, ".rate_limit.store: the store is neither memory nor a redis:// URL; write memory, or redis://host:port/database"),
        ({"rate": "5/s", "on_store_error": "panic"}, ".rate_limit.on_store_error: unknown on_store_error 'panic'; there are: admit, local, refuse"),
        ({"rate": "5/s", "lease": 5}, ".rate_limit.lease: lease means nothing where counts are kept in memory; name a shared store, or remove it"),
        ({"rate": "5/s", "store_prefix": "eu"}, ".rate_limit.store_prefix: store_prefix means nothing where counts are kept in memory; name a shared store, or remove it"),
        ({"rate": "5/s", "store": "redis://h", "lease_time": "5s"}, ".rate_limit.lease_time: there is no lease; add 'lease: 10', or remove it"),
        ({"rate": "5/s", "store": "redis://h", "store_prefix": "{eu}"}, ".rate_limit.store_prefix: '{eu}' is not a name for this; use up to 64 letters, digits, '.', '_' and '-'"),
        ({"limits": []}, ".rate_limit.limits: there is no limit; add one, such as {rate: 100/s}"),
        ({"limits": [{"rate": "1/s"}], "key": "route"}, ".rate_limit.key: key cannot stand beside limits; move it into each of limits"),
        ({"limits": [{"rate": "1/s"}, {"rate": "x"}]}, f".rate_limit.limits[1].rate: expected a rate, not 'x'; {RATE_REMEDY}"),
        ({"limits": [{"rate": "1/s", "store": "memory"}]}, ".rate_limit.limits[0].store: unknown key 'store'; "),
        ({"limits": [{"rate": "1/s"}, {}]}, ".rate_limit.limits[1]: the key 'rate' is missing; add 'rate: 100/s'"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_with_its_place_cause_and_remedy(entry: object, said: str) -> None:
    (line,) = said_of(entry)
    assert line.startswith("middleware[0]" + said)


@pytest.mark.parametrize(
    "entry",
    [
        {"rate": "5/s", "burst": 5, "algorithm": "fixed_window"},
        {"rate": "5/s", "burst": 0, "algorithm": "leaky_bucket_queue"},
        {"rate": "5/s", "burst": 4, "cost": 5, "algorithm": "leaky_bucket_queue"},
        {"rate": "5/s", "burst": 9, "cost": 9},
        {"rate": "1/s", "store": "rediss://:secret@h:6380/2", "on_store_error": "admit", "gateways": 3},
        {"rate": "1/s", "store": "unix:///run/redis.sock"},
        {"rate": "1/s", "store": "redis://h", "store_prefix": "eu", "lease": 10, "lease_time": "2s"},
        {"rate": "1/s", "on_store_error": "refuse"},
    ],
)
def test_what_fits_together_is_taken(entry: object) -> None:
    assert said_of(entry) == []


def test_there_may_be_several_and_only_given_names_must_differ() -> None:
    assert said_of({"rate": "1/s"}, {"rate": "1/s"}, {"rate": "1/s", "name": "a"}) == []
    assert said_of({"rate": "1/s", "name": "a"}, {"limits": [{"rate": "1/s"}, {"rate": "2/s", "name": "a"}]}) == [
        "middleware[1].rate_limit.limits[1].name: another rate limit has the name 'a' "
        "(middleware[0].rate_limit.name); choose another name"
    ]


def test_rate_limits_of_routes_are_checked_too_each_with_its_line() -> None:
    text = with_service(
        "{path: /a, service: users, middleware: [{rate_limit: {rate: 5/s, name: x}}]}",
        "{path: /b, service: users, middleware: [{rate_limit: {rate: 5/s, cost: 9, name: x}}]}",
    )
    assert problems_of(text) == [
        "4:76: a cost of 9 is never admitted where 5 is the most at once; lower the cost, or raise the burst",
        "4:85: another rate limit has the name 'x' (line 3, column 76); choose another name",
    ]
