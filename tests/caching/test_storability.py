"""Storability: which answers are kept, and what of them (RFC 9111 section 3)."""

from __future__ import annotations

import pytest

from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.caching.cache_request import CacheRequest
from api_gateway.caching.storability import NEVER_STORED
from api_gateway.caching.verdicts import Nothing, Store
from api_gateway.core.headers import Headers
from api_gateway.core.identity import Identity
from tests.support.caching import DEFAULT, NOW, Pairs, answering, asking, date, storing

_FRESH = ("cache-control", "max-age=60")


@pytest.mark.parametrize(
    "headers",
    [
        [_FRESH],
        [("cache-control", "s-maxage=60")],
        [("cache-control", "max-age=0"), ("etag", '"a"')],
        [("cache-control", "no-cache"), ("etag", '"a"')],
        [("cache-control", "must-understand, no-store, max-age=60")],  # 5.2.2.3
        [("cache-control", 'private="x", max-age=60')],
        [("cache-control", 'private="set-cookie", max-age=60'), ("set-cookie", "a=b")],
        [("cache-control", 'no-cache="set-cookie", max-age=60'), ("set-cookie", "a=b")],
        [("expires", date(60))],
        [("last-modified", date(-1000))],
        [("etag", '"a"')],
        [_FRESH, ("vary", "accept")],
        [_FRESH, ("pragma", "no-cache")],
        [_FRESH, ("content-disposition", "attachment")],
    ],
)
def test_kept(headers: Pairs) -> None:
    assert isinstance(answering(asking(), *headers), Store)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("cache-control", "public")],
        [("cache-control", "max-age=0")],
        [("cache-control", "max-age=x")],
        [("expires", "0")],
        [("expires", date(-60))],
        [("cache-control", "no-store")],
        [("cache-control", "max-age=60, No-StOrE"), ("expires", date(600))],
        [("cache-control", "private, max-age=60")],
        [("cache-control", 'private="content-type", max-age=60')],
        [("cache-control", 'no-cache="content-encoding", max-age=60')],
        [("cache-control", "no-cache, max-age=60")],
        [("cache-control", 'a="b, max-age=60')],
        [_FRESH, ("vary", "*")],
        [_FRESH, ("vary", "accept"), ("vary", "*")],
        [_FRESH, ("set-cookie", "a=b")],
        [_FRESH, ("content-range", "bytes 0-1/2")],
    ],
)
def test_not_kept(headers: Pairs) -> None:
    assert isinstance(answering(asking(), *headers), Nothing)


@pytest.mark.parametrize(
    "status", [200, 203, 204, 299, 300, 301, 302, 303, 307, 308, 400, 404, 410, 414, 499, 500, 502, 503, 504, 599]
)
def test_any_other_status_is_kept_if_it_says_for_how_long(status: int) -> None:
    assert storing(_FRESH, status=status).status == status
    assert isinstance(answering(asking(), ("cache-control", "no-store"), status=status), Nothing)


@pytest.mark.parametrize("status", sorted(NEVER_STORED))
def test_what_is_about_one_request_alone_is_not(status: int) -> None:
    assert isinstance(answering(asking(), ("cache-control", "public, max-age=60"), status=status), Nothing)


@pytest.mark.parametrize("status", [201, 202, 302, 403, 502, 503, 599])
def test_without_a_lifetime_only_some_statuses_are_kept(status: int) -> None:
    guess = [("last-modified", date(-1000)), ("etag", '"a"')]
    assert isinstance(answering(asking(), *guess, status=status), Nothing)
    assert isinstance(answering(asking(), *guess, ("cache-control", "public"), status=status), Store)


def test_an_unknown_status_that_must_be_understood_is_not_kept() -> None:
    assert isinstance(answering(asking(), ("cache-control", "must-understand, max-age=60"), status=599), Nothing)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("max-age=60", False),
        ("max-age=60, public", True),
        ("max-age=60, must-revalidate", True),
        ("s-maxage=60", True),
        ("max-age=60, proxy-revalidate", False),
    ],
)
def test_authorization_needs_leave(said: str, *, kept: bool) -> None:
    asked = asking(("authorization", "FOO"))
    assert isinstance(answering(asked, ("cache-control", said)), Store) is kept


def test_cookies_are_kept_if_the_operator_vouches() -> None:
    policy = CachePolicy(store_set_cookie=True)
    stored = storing(_FRESH, ("set-cookie", "a=b"), policy=policy)
    assert stored.headers.get("set-cookie") == "a=b"


def test_what_is_not_looked_up_is_not_kept() -> None:
    passed_by: list[CacheRequest] = [
        asking(method="OPTIONS"),
        asking(body=b"x"),
        asking(("cache-control", "no-store")),
        asking(("if-match", '"a"')),
        asking(identity=Identity("ada", "jwt")),
    ]
    for asked in passed_by:
        assert isinstance(answering(asked, ("cache-control", "public, max-age=60")), Nothing)


def test_a_known_callers_answer_is_kept_under_their_own_key_and_the_uris_tag() -> None:
    policy = CachePolicy(identified="separate")
    asked = asking(("authorization", "x"), policy=policy, identity=Identity("ada", "jwt"))
    outcome = answering(asked, _FRESH, policy=policy)
    assert isinstance(outcome, Store)
    assert outcome.head.tags == (f"uri:{asked.uri}",)


def test_connection_and_proxy_fields_are_not_kept() -> None:
    hop = [
        ("connection", "a, b"),
        ("a", "1"),
        ("b", "2"),
        ("keep-alive", "x"),
        ("proxy-authenticate", "x"),
        ("proxy-authentication-info", "x"),
        ("proxy-connection", "x"),
        ("te", "x"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "x"),
    ]
    stored = storing(_FRESH, *hop, ("c", "3"))
    assert [name for name, _ in stored.headers] == ["date", "cache-control", "c"]


def test_fields_that_a_directive_names_are_not_kept() -> None:
    stored = storing(
        ("cache-control", 'no-cache="a, B", private=c, max-age=60'), ("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")
    )
    assert [name for name, _ in stored.headers] == ["date", "cache-control", "d"]


@pytest.mark.parametrize("given", [[], [("date", "yesterday")]])
def test_an_answer_without_a_date_gets_that_of_its_arrival(given: Pairs) -> None:
    outcome = answering(asking(), *given, _FRESH, at=5)
    assert isinstance(outcome, Store)
    assert outcome.head.headers.get_all("date") == [date(5)]
    assert outcome.head.facts.age(NOW + 5) == 0


def test_a_valid_date_and_everything_else_stay_as_they_came() -> None:
    headers = Headers([("date", date(-5)), _FRESH, ("x", "1"), ("x", "2"), ("set-cookie2", "a"), ("via", "1.1 y")])
    stored = storing(*headers)
    assert stored.headers == headers


def test_tags_are_those_that_the_answer_names() -> None:
    stored = storing(_FRESH, ("cache-tag", "a, b,,a"), ("surrogate-key", "c  d"), ("cache-tag", "x" * 129))
    assert stored.tags == ("a", "b", "c", "d")
    assert len(storing(_FRESH, ("surrogate-key", " ".join(map(str, range(99))))).tags) == 64


def test_a_store_says_for_how_long() -> None:
    outcome = answering(asking(), ("date", date()), ("cache-control", "max-age=60"), ("age", "20"), took=2)
    assert isinstance(outcome, Store)
    assert outcome.ttl == 38
    assert outcome.lifetime == 38 + DEFAULT.keep
    assert outcome.complete(b"x").body == b"x"
    assert outcome.complete(b"x").effort == 2
