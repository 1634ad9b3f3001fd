"""After an answer: what becomes of it, and of what is stored."""

from __future__ import annotations

import pytest

from api_gateway.caching.after_answer import after_failure
from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.caching.decision import refresh
from api_gateway.caching.stored_response import StoredResponse
from api_gateway.caching.verdicts import (
    Forward,
    Invalidate,
    Merge,
    Nothing,
    Outcome,
    Refetch,
    Serve,
    Store,
    Validate,
)
from api_gateway.core.headers import Headers
from tests.support.caching import DEFAULT, NOW, answering, asking, date, deciding, merging, storing

_ETAG = ("etag", '"a"')
_FRESH = ("cache-control", "max-age=60")


def _validated(
    stored: StoredResponse,
    *headers: tuple[str, str],
    status: int = 304,
    at: float = 100,
    policy: CachePolicy = DEFAULT,
    request: tuple[tuple[str, str], ...] = (),
) -> Outcome:
    asked = asking(*request, policy=policy)
    return answering(asked, *headers, status=status, at=at, policy=policy, to=deciding(asked, stored, at=at))


def test_a_304_makes_the_stored_one_fresh_again() -> None:
    stored = storing(_FRESH, _ETAG, ("content-length", "10"), ("x", "1"), ("age", "30"))
    outcome = _validated(stored, ("date", date(100)), _ETAG, ("cache-control", "max-age=30"), ("content-length", "0"))
    assert isinstance(outcome, Merge)
    assert outcome.stored.body == stored.body
    assert outcome.stored.headers.get_all("content-length") == ["10"]
    assert "age" not in outcome.stored.headers
    assert outcome.lifetime == 30 + DEFAULT.keep
    assert outcome.answer is not None
    assert (outcome.answer.status, outcome.answer.body) == (200, stored.body)
    assert outcome.answer.headers.get("x") == "1"
    status = "api-gateway; fwd=stale; fwd-status=304; ttl=30; stored"
    assert outcome.answer.headers.get("cache-status") == status
    hit = deciding(asking(), outcome.stored, at=129)
    assert isinstance(hit, Serve)
    assert hit.headers.get("age") == "29"


@pytest.mark.parametrize("name", ["test-header", "content-foo", "content-type", "content-location", "expires"])
def test_a_304_updates_what_is_served_and_kept(name: str) -> None:
    outcome = _validated(storing(_FRESH, _ETAG, (name, date(1))), _ETAG, _FRESH, (name, date(2)))
    assert isinstance(outcome, Merge)
    assert outcome.answer is not None
    assert outcome.answer.headers.get_all(name) == [date(2)]
    assert outcome.stored.headers.get_all(name) == [date(2)]


def test_a_304_without_a_date_counts_from_its_arrival() -> None:
    merged = merging(_validated(storing(_FRESH, _ETAG), _ETAG))
    assert merged.headers.get_all("date") == [date(100)]
    assert merged.facts.age(NOW + 100) == 0


def test_a_304s_connection_fields_do_not_touch_the_stored_ones() -> None:
    merged = merging(_validated(storing(_FRESH, _ETAG, ("x", "1")), ("connection", "x"), ("x", "2")))
    assert merged.headers.get_all("x") == ["1"]
    assert "connection" not in merged.headers


def test_a_client_that_has_it_gets_the_304() -> None:
    stored = storing(_FRESH, _ETAG)
    outcome = _validated(stored, _ETAG, request=(("if-none-match", '"a"'),))
    assert isinstance(outcome, Merge)
    assert outcome.answer is not None
    assert outcome.answer.status == 304


def test_a_client_that_has_another_gets_the_whole() -> None:
    outcome = _validated(storing(_FRESH, _ETAG), _ETAG, request=(("if-none-match", '"b"'),))
    assert isinstance(outcome, Merge)
    assert outcome.answer is not None
    assert outcome.answer.status == 200


def test_a_cookie_of_a_304_is_for_this_client_alone() -> None:
    outcome = _validated(storing(_FRESH, _ETAG), _ETAG, ("set-cookie", "a=b"))
    assert isinstance(outcome, Merge)
    assert outcome.answer is not None
    assert outcome.answer.headers.get("set-cookie") == "a=b"
    assert "set-cookie" not in outcome.stored.headers
    assert outcome.lifetime > 0
    assert list(outcome.answer.headers)[-1][0] == "cache-status"


@pytest.mark.parametrize("now_says", ["no-store", "private", "max-age=0, private"])
def test_a_304_may_forbid_to_keep_it_any_longer(now_says: str) -> None:
    outcome = _validated(storing(_FRESH, _ETAG), _ETAG, ("cache-control", now_says))
    assert isinstance(outcome, Merge)
    assert outcome.lifetime == 0
    assert outcome.answer is not None
    assert outcome.answer.status == 200


def test_a_304_with_vary_star_ends_it_too() -> None:
    outcome = _validated(storing(_FRESH, _ETAG), _ETAG, ("vary", "*"))
    assert isinstance(outcome, Merge)
    assert outcome.lifetime == 0


def test_a_304_for_another_version_updates_nothing() -> None:
    asked = asking()
    outcome = _validated(storing(_FRESH, _ETAG), ("etag", '"b"'))
    assert isinstance(outcome, Refetch)
    assert outcome.request.target == asked.request.target
    assert "if-none-match" not in outcome.request.headers


def test_a_304_to_the_clients_own_condition_passes() -> None:
    asked = asking(("if-none-match", '"a"'))
    assert isinstance(answering(asked, _ETAG, status=304), Nothing)
    plain = storing(_FRESH)
    assert isinstance(answering(asked, _ETAG, status=304, at=90, to=deciding(asked, plain, at=90)), Nothing)


def test_a_new_answer_takes_the_place_of_the_old() -> None:
    outcome = _validated(storing(_FRESH, _ETAG), ("date", date(100)), ("etag", '"b"'), _FRESH, status=200)
    assert isinstance(outcome, Store)
    assert outcome.head.headers.get("etag") == '"b"'


@pytest.mark.parametrize("status", [200, 302, 404, 410])
def test_an_answer_that_is_not_kept_ends_what_it_replaces(status: int) -> None:
    assert _validated(storing(_FRESH, _ETAG), ("cache-control", "no-store"), status=status) == Invalidate(
        ("http://shop.example/a",)
    )


@pytest.mark.parametrize("status", [206, 400, 401, 403, 416, 429, 500, 503])
def test_one_that_says_nothing_about_it_does_not(status: int) -> None:
    assert isinstance(_validated(storing(_FRESH, _ETAG), status=status), Nothing)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failure_is_covered_by_stale_if_error(status: int) -> None:
    stored = storing(("cache-control", "max-age=60, stale-if-error=60"), _ETAG)
    outcome = _validated(stored, ("cache-control", "max-age=60"), status=status, at=100)
    assert isinstance(outcome, Serve)
    assert (outcome.status, outcome.stale, outcome.headers.get("age")) == (200, True, "100")
    expected = f"api-gateway; fwd=stale; fwd-status={status}; ttl=-40; detail=stale-if-error"
    assert outcome.headers.get("cache-status") == expected
    assert not isinstance(_validated(stored, status=status, at=120), Serve)


@pytest.mark.parametrize("forbids", ["must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=60"])
def test_no_failure_is_covered_where_stale_is_forbidden(forbids: str) -> None:
    stored = storing(("cache-control", f"max-age=60, stale-if-error=60, {forbids}"), _ETAG)
    policy = CachePolicy(stale_if_error=600)
    for at in (1, 100):
        asked = asking()
        decision = Validate(stored, asked.request, "stale", collapsible=True)
        assert after_failure(asked, decision, 503, NOW + at, policy) is None


def test_a_client_that_wants_no_cache_gets_the_failure() -> None:
    stored = storing(("cache-control", "max-age=60, stale-if-error=60"), _ETAG)
    assert not isinstance(_validated(stored, status=503, at=1, request=(("cache-control", "no-cache"),)), Serve)


def test_a_client_that_wants_a_fresher_one_gets_what_there_is_when_the_service_fails() -> None:
    stored = storing(("cache-control", "max-age=60, stale-if-error=60"), _ETAG)
    outcome = _validated(stored, status=503, at=5, request=(("cache-control", "max-age=1"),))
    assert isinstance(outcome, Serve)
    assert not outcome.stale


def test_failures_count_by_the_status_that_the_gateway_would_give() -> None:
    stored = storing(("cache-control", "max-age=60, stale-if-error=60"))
    asked = asking()
    decision = deciding(asked, stored, at=100)
    assert isinstance(decision, Forward)
    assert after_failure(asked, decision, 502, NOW + 100, DEFAULT) is not None
    assert after_failure(asked, decision, 429, NOW + 100, DEFAULT) is None
    assert after_failure(asked, Forward(asked.request, "uri-miss"), 502, NOW + 100, DEFAULT) is None


def test_a_head_freshens_what_it_describes() -> None:
    asked = asking(method="HEAD")
    stored = storing(_FRESH, ("x", "1"), ("y", "1"))
    outcome = answering(
        asked, ("cache-control", "max-age=1000"), ("x", "2"), at=100, to=deciding(asked, stored, at=100)
    )
    assert isinstance(outcome, Merge)
    assert outcome.answer is None
    assert outcome.stored.body == stored.body
    hit = deciding(asking(), outcome.stored, at=200)
    assert isinstance(hit, Serve)
    assert (hit.headers.get("x"), hit.headers.get("y")) == ("2", "1")


def test_a_head_that_describes_another_ends_it() -> None:
    asked = asking(method="HEAD")
    stored = storing(_FRESH, _ETAG)
    decision = deciding(asked, stored, at=100)
    assert answering(asked, ("etag", '"b"'), at=100, to=decision) == Invalidate((asked.key,))
    assert isinstance(answering(asked, ("etag", '"b"'), status=410, at=100, to=decision), Nothing)


def test_a_head_is_never_stored() -> None:
    assert isinstance(answering(asking(method="HEAD"), _FRESH), Nothing)


def test_a_background_refresh_of_a_head_or_a_part_stores_the_whole() -> None:
    stored = storing(_FRESH, _ETAG)
    asked, decision = refresh(asking(("range", "bytes=0-1"), method="HEAD"), stored)
    assert isinstance(answering(asked, _FRESH, at=100, to=decision), Store)
    assert isinstance(answering(asked, _ETAG, status=304, at=100, to=decision), Merge)


def test_a_whole_for_who_asked_for_a_part_is_stored() -> None:
    asked = asking(("range", "bytes=0-1"))
    assert isinstance(answering(asked, _FRESH), Store)
    assert isinstance(answering(asked, _FRESH, ("content-range", "bytes 0-1/9"), status=206), Nothing)


def test_the_selecting_fields_are_those_of_the_request() -> None:
    outcome = answering(asking(("foo", " a, b")), _FRESH, ("vary", "Foo, Bar"))
    assert isinstance(outcome, Store)
    assert outcome.head.selecting == (("bar", ()), ("foo", ("a", "b")))


def test_the_answers_own_headers_are_left_alone() -> None:
    headers = Headers([_FRESH, ("connection", "x"), ("x", "1")])
    before = list(headers)
    answering(asking(), *headers)
    assert list(headers) == before
