"""Callers are told apart by what they cannot choose."""

from __future__ import annotations

from ipaddress import IPv6Address
from random import Random

from broken import limiter_key

from api_gateway import Request, RequestContext
from api_gateway.core.identity import Identity
from api_gateway.rate_limiting import GCRA


def key(
    remote: str = "203.0.113.9:50312", *, headers: dict[str, str] | None = None, who: Identity | None = None
) -> str:
    context = RequestContext()
    context.identity = who
    return limiter_key(Request("GET", "/", headers or {}), context, remote)


def person(subject: str, issuer: str = "") -> Identity:
    return Identity(subject, "api_key", issuer)


def test_a_key_that_nobody_has_verified_opens_no_new_bucket() -> None:
    random, limiter = Random(9), GCRA(5, 60)
    keys = [key(headers={"x-api-key": f"{random.getrandbits(64):x}"}) for _ in range(1_000)]
    admitted = sum(limiter.acquire(each, 0).allowed for each in keys)
    assert admitted == 5, f"one client with a new X-API-Key each time got {admitted} of 1000 through; the limit is 5"


def test_a_new_connection_is_not_a_new_client() -> None:
    keys = {key(f"203.0.113.9:{port}") for port in range(50_000, 50_100)}
    assert len(keys) == 1, f"one address opened 100 connections and got {len(keys)} buckets, such as {min(keys)!r}"


def test_one_network_of_ipv6_is_one_client() -> None:
    random = Random(9)
    base = int(IPv6Address("2001:db8:0:7::"))
    keys = {key(f"[{IPv6Address(base + random.getrandbits(64))}]:443") for _ in range(500)}
    assert len(keys) == 1, f"a /64 is what one customer gets from a provider; its addresses got {len(keys)} buckets"
    assert key("[2001:db8:0:8::1]:443") not in keys, "the next /64 is somebody else"
    assert key("[::ffff:203.0.113.9]:1") == key("203.0.113.9:2"), "an IPv4 address written in IPv6 is the same client"


def test_different_addresses_are_different_clients() -> None:
    keys = {key(f"203.0.113.{number}:50312") for number in range(1, 250)}
    assert len(keys) == 249, f"249 addresses share {len(keys)} buckets"


def test_an_identity_is_the_same_wherever_it_is() -> None:
    alice, bob = person("alice"), person("bob")
    assert key("203.0.113.9:1", who=alice) == key("[2001:db8::1]:2", who=alice), (
        "Alice went home and got a new bucket: a proved identity counts, wherever it is"
    )
    assert key(who=alice) != key(who=bob), "Alice and Bob sit in one office; each has a limit of their own"
    assert key(who=alice, headers={"x-api-key": "new"}) == key(who=alice), "a header must not change who is counted"
    assert key(who=person("42", "https://a")) != key(who=person("42", "https://b")), "two issuers know a 42: two people"


def test_no_name_can_take_the_bucket_of_an_address() -> None:
    for remote in ("203.0.113.9:50312", "[2001:db8::7]:443"):
        anonymous = key(remote)
        for subject in (anonymous, remote, remote.rpartition(":")[0], "203.0.113.9", "2001:db8::/64"):
            taken = key(remote, who=person(subject))
            assert taken != anonymous, f"a user named {subject!r} shares the bucket of everybody at {remote}"
