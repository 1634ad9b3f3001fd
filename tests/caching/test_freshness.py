"""Freshness: the lifetime an answer has, and its age by RFC 9111 4.2.3."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.caching.freshness import facts_of
from api_gateway.core.headers import Headers
from tests.support.caching import NOW, Pairs, date

_DAY = 86_400.0


@pytest.mark.parametrize(
    ("headers", "status", "lifetime"),
    [
        ([("cache-control", "s-maxage=5, max-age=60"), ("expires", date(600))], 200, 5),
        ([("cache-control", "max-age=60"), ("cache-control", "s-maxage=5")], 200, 5),
        ([("cache-control", "max-age=60"), ("expires", date(-600))], 200, 60),
        ([("cache-control", "max-age=60"), ("expires", "0")], 200, 60),
        ([("cache-control", "max-age=0"), ("expires", date(600))], 200, 0),
        ([("cache-control", "max-age=x"), ("expires", date(600))], 200, 0),
        ([("expires", date(600))], 200, 600),
        ([("expires", date(600)), ("date", date(100))], 200, 500),
        ([("expires", date(300)), ("date", date(400))], 200, 0),
        ([("expires", date()), ("date", date())], 200, 0),
        ([("expires", date(10)), ("date", "foo")], 200, 10),
        ([("expires", "0")], 200, 0),  # 5.3: invalid is in the past
        ([("expires", "Thu, 18 Aug 2050 02:01:18 UTC")], 200, 0),
        ([("expires", date(600)), ("expires", date(700))], 200, 0),
        ([("expires", date(600)), ("expires", date(600))], 200, 600),
        ([("expires", "0"), ("last-modified", date(-1000))], 200, 0),
        ([("last-modified", date(-1000))], 200, 100),
        ([("last-modified", date(-1000)), ("date", date(-500))], 200, 50),
        ([("last-modified", date(-1000 * _DAY))], 200, _DAY),
        ([("last-modified", date(1000))], 200, 0),
        ([("last-modified", "yesterday")], 200, 0),
        ([("last-modified", date(-1000))], 201, 0),
        ([("last-modified", date(-1000))], 302, 0),
        ([("last-modified", date(-1000))], 403, 0),
        ([("last-modified", date(-1000))], 404, 100),
        ([("last-modified", date(-1000))], 410, 100),
        ([("last-modified", date(-1000))], 501, 100),
        ([("last-modified", date(-1000))], 503, 0),
        ([("last-modified", date(-1000))], 599, 0),
        ([("last-modified", date(-1000)), ("cache-control", "public")], 599, 100),
        ([], 200, 0),
    ],
)
def test_the_lifetime(headers: Pairs, status: int, lifetime: float) -> None:
    facts = facts_of(status, Headers(headers), NOW, NOW)
    assert facts.lifetime(CachePolicy()) == lifetime


def test_guessing_is_off_at_a_fraction_of_0() -> None:
    facts = facts_of(200, Headers([("last-modified", date(-1000))]), NOW, NOW)
    assert facts.lifetime(CachePolicy(heuristic_fraction=0)) == 0


@pytest.mark.parametrize(
    ("headers", "took", "later", "age"),
    [
        ([("date", date())], 0, 7, 7),
        ([("date", date(-30))], 0, 0, 30),  # apparent_age
        ([("date", date(30))], 0, 5, 5),  # a fast clock makes nothing younger than 0
        ([("date", date()), ("age", "30")], 2, 5, 37),  # corrected_age_value counts the response's delay
        ([("date", date(-40)), ("age", "30")], 2, 5, 45),  # the larger of the two
        ([("date", "foo"), ("age", "30")], 0, 0, 30),
        ([("age", "abc")], 0, 5, 5),  # 5.1: ignored
        ([("age", "-7200")], 0, 5, 5),
        ([("age", "7200.0")], 0, 5, 5),
        ([("age", "7200, 0")], 0, 5, 7205),  # 5.1: the first member
        ([("age", "0, 7200")], 0, 5, 5),
        ([("age", "7200"), ("age", "0")], 0, 5, 7205),
        ([("age", "9" * 30)], 0, 0, 2**31),
        ([], 3, 5, 8),
        ([], 0, -50, 0),  # the machine's clock was set back
    ],
)
def test_the_age(headers: Pairs, took: float, later: float, age: float) -> None:
    facts = facts_of(200, Headers(headers), NOW - took, NOW)
    assert facts.age(NOW + later) == age


@pytest.mark.parametrize("directive", ["no-cache", "must-revalidate", "proxy-revalidate", "s-maxage=60"])
def test_directives_that_forbid_stale(directive: str) -> None:
    assert not facts_of(200, Headers({"cache-control": directive}), NOW, NOW).may_be_stale


def test_the_age_as_it_came_is_not_served() -> None:
    facts = facts_of(200, Headers([("age", "5"), ("x", "1"), ("age", "6")]), NOW, NOW)
    assert facts.pairs == [(b"x", b"1")]


def test_of_two_validators_the_first_counts() -> None:
    facts = facts_of(200, Headers([("etag", '"a"'), ("etag", '"b"')]), NOW, NOW)
    assert facts.etag == b'"a"'
    assert facts.validates
    assert not facts_of(200, Headers(), NOW, NOW).validates


_values = st.sampled_from(["0", "5", "-1", "x", "99999999999999999999", '"7"', date(), date(-99), date(1e9), ""])
_headers = st.lists(st.tuples(st.sampled_from(["age", "date", "expires", "last-modified"]), _values), max_size=8)


@given(_headers, st.floats(-1e9, 1e9), st.floats(-1e6, 1e6))
def test_an_age_is_never_negative_and_never_shrinks(headers: Pairs, took: float, later: float) -> None:
    facts = facts_of(200, Headers(headers), NOW - took, NOW)
    assert 0 <= facts.age(NOW + later) <= facts.age(NOW + later + 1)
    assert facts.lifetime(CachePolicy()) >= 0


@pytest.mark.parametrize(("since", "age"), [(0.0, 0), (0.999, 0), (1.0, 1), (59.5, 59)])
def test_only_whole_seconds_of_date_count_because_it_has_no_others(since: float, age: float) -> None:
    came = NOW + since
    facts = facts_of(200, Headers([("cache-control", "max-age=1"), ("date", date())]), came, came)
    assert facts.age(came) == age
