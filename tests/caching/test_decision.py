"""Decision: what is done before the service is asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.caching.decision import refresh
from api_gateway.caching.stored_response import StoredResponse
from api_gateway.caching.verdicts import Decision, Forward, Serve, Unsatisfiable, Validate
from tests.support.caching import DEFAULT, NOW, Pairs, asking, date, deciding, storing

_ETAG = ("etag", '"a"')


def _word(decision: Decision) -> str:
    match decision:
        case Serve():
            return ("stale" if decision.stale else "hit") + (" refresh" if decision.refresh else "")
        case Validate():
            return f"validate {decision.reason}"
        case Forward():
            return f"forward {decision.reason}"
        case Unsatisfiable():
            return f"504 {decision.reason}"


@pytest.mark.parametrize(
    ("answer", "at", "request_says", "expected"),
    [
        ("max-age=60", 0, None, "hit"),
        ("max-age=60", 59.9, None, "hit"),
        ("max-age=60", 60, None, "validate stale"),  # 4.2: fresh while lifetime > age
        ("max-age=0", 0, None, "validate stale"),
        ("s-maxage=60, max-age=1", 30, None, "hit"),
        ("no-cache, max-age=60", 0, None, "validate stale"),
        ("no-cache", 0, "max-stale", "validate stale"),
        ('no-cache="x", max-age=60', 0, None, "hit"),
        ("max-age=60, must-revalidate", 30, None, "hit"),
        ("max-age=60", 30, "no-cache", "validate request"),
        ("max-age=60", 0, "max-age=0", "validate request"),
        ("max-age=60", 30, "max-age=29", "validate request"),
        ("max-age=60", 30, "max-age=30", "hit"),
        ("max-age=60", 30, "min-fresh=30", "hit"),
        ("max-age=60", 31, "min-fresh=30", "validate request"),
        ("max-age=60", 90, "max-stale", "stale"),
        ("max-age=60", 90, "max-stale=30", "stale"),
        ("max-age=60", 91, "max-stale=30", "validate stale"),
        ("max-age=60", 90, "max-stale, max-age=60", "validate stale"),
        ("max-age=60, must-revalidate", 90, "max-stale", "validate stale"),
        ("max-age=60, proxy-revalidate", 90, "max-stale", "validate stale"),
        ("s-maxage=60", 90, "max-stale", "validate stale"),
        ("max-age=60, stale-while-revalidate=30", 89, None, "stale refresh"),
        ("max-age=60, stale-while-revalidate=30", 89, "max-stale", "stale refresh"),
        ("max-age=60, stale-while-revalidate=30", 89, "min-fresh=1", "validate stale"),
        ("max-age=60, stale-while-revalidate=30", 89, "max-age=60", "validate stale"),
        ("max-age=60, stale-while-revalidate=30", 89, "no-cache", "validate stale"),
        ("max-age=60, stale-while-revalidate=30", 90, None, "validate stale"),
        ("max-age=60, stale-while-revalidate=30, must-revalidate", 61, None, "validate stale"),
        ("max-age=60", 0, "only-if-cached", "hit"),
        ("max-age=60", 60, "only-if-cached", "504 stale"),
        ("max-age=60", 0, "only-if-cached, no-cache", "504 request"),
        ("max-age=60", 0, "x, y=z", "hit"),
    ],
)
def test_one_stored_answer(answer: str, at: float, request_says: str | None, expected: str) -> None:
    stored = storing(("cache-control", answer), _ETAG)
    asked = asking(*([("cache-control", request_says)] if request_says else []))
    assert _word(deciding(asked, stored, at=at)) == expected


@pytest.mark.parametrize(("request_says", "expected"), [(None, "forward uri-miss"), ("only-if-cached", "504 uri-miss")])
def test_nothing_stored(request_says: str | None, expected: str) -> None:
    asked = asking(*([("cache-control", request_says)] if request_says else []))
    assert _word(deciding(asked)) == expected


def test_pragma_validates_what_is_fresh() -> None:
    stored = storing(("cache-control", "max-age=60"), _ETAG)
    assert _word(deciding(asking(("pragma", "no-cache")), stored)) == "validate request"


def test_an_aged_answer_is_as_old_as_it_says() -> None:
    stored = storing(("cache-control", "max-age=60"), _ETAG, ("age", "30"))
    assert _word(deciding(asking(), stored, at=29)) == "hit"
    assert _word(deciding(asking(), stored, at=30)) == "validate stale"


def test_without_a_validator_the_request_goes_as_it_is() -> None:
    stored = storing(("cache-control", "max-age=60"))
    asked = asking(("if-none-match", '"mine"'))
    decision = deciding(asked, stored, at=60)
    assert decision == Forward(asked.request, "stale", False, stored)


def test_a_stale_answer_to_a_head_is_asked_for_by_head() -> None:
    stored = storing(("cache-control", "max-age=60"), _ETAG)
    asked = asking(method="HEAD")
    assert _word(deciding(asked, stored, at=59)) == "hit"
    assert deciding(asked, stored, at=60) == Forward(asked.request, "stale", False, stored)


def test_a_variant_for_other_fields_is_a_vary_miss() -> None:
    one = storing(("cache-control", "max-age=60"), ("vary", "foo"), asked=asking(("foo", "1")))
    two = storing(("cache-control", "max-age=60"), ("vary", "foo"), asked=asking(("foo", "2")), body=b"2")
    assert _word(deciding(asking(("foo", "3")), one, two)) == "forward vary-miss"
    assert _word(deciding(asking(), one, two)) == "forward vary-miss"
    chosen = deciding(asking(("foo", "2"), ("bar", "x")), one, two)
    assert isinstance(chosen, Serve)
    assert chosen.body == b"2"


@pytest.mark.parametrize("order", [1, -1])
def test_of_several_the_newest_by_date_is_used(order: int) -> None:
    variants = [
        storing(("cache-control", "max-age=60"), ("date", date(-9)), body=b"old"),
        storing(("cache-control", "max-age=60"), ("vary", "foo"), body=b"new"),
    ]
    chosen = deciding(asking(), *variants[::order], at=1)
    assert isinstance(chosen, Serve)
    assert chosen.body == b"new"


@pytest.mark.parametrize(
    ("headers", "method", "collapsible"),
    [
        ([], "GET", True),
        ([("accept", "x")], "GET", True),
        ([("cache-control", "max-stale=5")], "GET", True),
        ([], "HEAD", False),
        ([("range", "bytes=0-1")], "GET", False),
        ([("if-none-match", '"x"')], "GET", False),
        ([("authorization", "x")], "GET", False),
        ([("cache-control", "no-cache")], "GET", False),
        ([("cache-control", "max-age=5")], "GET", False),
        ([("cache-control", "min-fresh=5")], "GET", False),
    ],
)
def test_only_what_gives_all_the_same_whole_is_collapsible(headers: Pairs, method: str, *, collapsible: bool) -> None:
    decision = deciding(asking(*headers, method=method))
    assert isinstance(decision, Forward)
    assert decision.collapsible is collapsible


@pytest.mark.parametrize(("says", "collapsible"), [("max-age=60", True), ("no-cache", False), ("max-age=0", False)])
def test_nobody_waits_for_what_everybody_must_validate(says: str, *, collapsible: bool) -> None:
    decision = deciding(asking(("if-none-match", '"x"')), storing(("cache-control", says), _ETAG), at=61)
    assert isinstance(decision, Validate)
    assert decision.collapsible is collapsible


def test_a_hit_near_its_end_is_sometimes_refreshed_and_far_from_it_never() -> None:
    policy = CachePolicy(early_refresh=1)
    stored = storing(("cache-control", "max-age=60"), took=0.5)
    near = [deciding(asking(), stored, at=59.3, policy=policy, seed=seed) for seed in range(200)]
    far = [deciding(asking(), stored, at=30, policy=policy, seed=seed) for seed in range(200)]
    assert {_word(decision) for decision in near} == {"hit", "hit refresh"}
    assert {_word(decision) for decision in far} == {"hit"}


def test_a_slow_answer_with_a_short_life_is_not_refreshed_all_the_time() -> None:
    policy = CachePolicy(early_refresh=1)
    stored = storing(("cache-control", "max-age=2"), took=1)
    made = [deciding(asking(), stored, at=0.2, policy=policy, seed=seed) for seed in range(500)]
    assert {_word(decision) for decision in made} == {"hit"}


def test_a_refresh_is_a_plain_conditional_get() -> None:
    stored = storing(("cache-control", "max-age=60"), _ETAG)
    asked = asking(("range", "bytes=0-1"), ("cache-control", "max-stale"), ("if-none-match", '"x"'), method="HEAD")
    again, decision = refresh(asked, stored)
    assert isinstance(decision, Validate)
    assert decision.request.method == "GET"
    assert decision.request.headers.get_all("if-none-match") == ['"a"']
    assert "range" not in decision.request.headers
    assert (again.conditional, again.ranged, again.key) == (False, False, asked.key)
    plain = storing(("cache-control", "max-age=60"))
    assert isinstance(refresh(asked, plain)[1], Forward)


_numbers = st.integers(0, 100)


@st.composite
def _answers(draw: st.DrawFn) -> StoredResponse:
    said = draw(st.lists(st.sampled_from(["max-age=40", "s-maxage=20", "must-revalidate", "no-cache", "x"])))
    grants = draw(st.lists(st.sampled_from(["stale-while-revalidate=30", "stale-if-error=30"])))
    age = ("age", str(draw(_numbers)))
    return storing(("cache-control", ", ".join(said + grants)), age, _ETAG, took=draw(_numbers))


@given(_answers(), _numbers, st.sampled_from(["", "max-stale=20", "min-fresh=5", "max-age=10"]))
def test_a_fresh_answer_is_never_older_than_its_lifetime(stored: StoredResponse, at: int, request_says: str) -> None:
    decision = deciding(asking(("cache-control", request_says)), stored, at=at)
    facts = stored.facts
    over = facts.age(NOW + at) - facts.lifetime(DEFAULT)
    if isinstance(decision, Serve):
        assert not facts.directives.no_cache
        assert decision.stale is (over >= 0)
        if decision.stale:
            assert facts.may_be_stale
            assert over <= 30
    else:
        assert over >= 0 or request_says or facts.directives.no_cache
