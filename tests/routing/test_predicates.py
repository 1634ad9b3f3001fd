"""Predicates: what holds for a request, how specific it is, and what can hold together."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.core.errors import ConfigurationError
from api_gateway.core.request import Request
from api_gateway.routing.predicates import Exactly, Matching, Predicates, Present, ValuePredicate


def test_no_demands_accept_everything() -> None:
    nothing = Predicates()
    assert nothing.accepts_method("BREW")
    assert nothing.accepts_values(Request("GET", "/?x=1", {"x-a": "1"}))


def test_methods_accept_themselves_and_get_brings_head() -> None:
    get = Predicates(frozenset({"GET"}))
    assert [get.accepts_method(method) for method in ("GET", "HEAD", "POST", "get")] == [True, True, False, False]
    assert get.allowed_methods() == {"GET", "HEAD"}
    assert not Predicates(frozenset({"POST"})).accepts_method("HEAD")


def test_an_expression_must_match_all_of_the_value() -> None:
    go = Matching.compile("go+")
    assert [go(value) for value in ("goo", "go ", "xgo", "g")] == [True, False, False, False]


def test_an_expression_that_is_none_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match=r"'\[' is not a regular expression"):
        Matching.compile("[")


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"x-a": "1", "x-b": "any", "x-c": "22"}, None),
        ({"X-A": "1", "X-B": "", "X-C": "2"}, None),
        ({"x-b": "any", "x-c": "2"}, "header x-a must be '1'"),
        ({"x-a": "11", "x-b": "any", "x-c": "2"}, "header x-a must be '1'"),
        ({"x-a": "1", "x-c": "2"}, "header x-b must be present"),
        ({"x-a": "1", "x-b": "any", "x-c": "3"}, "header x-c must match '2+'"),
    ],
)
def test_every_header_demand_must_hold_and_the_first_that_does_not_is_named(
    headers: Mapping[str, str], reason: str | None
) -> None:
    demands = Predicates(headers={"x-a": Exactly("1"), "x-b": Present(), "x-c": Matching.compile("2+")})
    request = Request("GET", "/", headers)
    assert demands.why_not(request) == reason
    assert demands.accepts_values(request) is (reason is None)


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("v=2", True),
        ("v=1&v=2", True),
        ("w=1&v=2", True),
        ("v=%32", True),
        ("V=2", False),
        ("v=", False),
        ("v", False),
        ("", False),
    ],
)
def test_query_parameters_are_decoded_and_any_of_a_repeated_one_may_hold(query: str, holds: bool) -> None:
    assert Predicates(query={"v": Exactly("2")}).accepts_values(Request("GET", f"/?{query}")) is holds


def test_a_parameter_without_a_value_is_present() -> None:
    assert Predicates(query={"debug": Present()}).accepts_values(Request("GET", "/?debug"))


def test_a_plus_in_a_query_is_a_space() -> None:
    assert Predicates(query={"q": Exactly("a b")}).accepts_values(Request("GET", "/?q=a+b"))


_values = st.sampled_from(("1", "2", "22"))
_demands: st.SearchStrategy[ValuePredicate] = st.one_of(
    st.builds(Exactly, _values), st.builds(Matching.compile, st.sampled_from(("1", "2+"))), st.just(Present())
)
_predicates = st.builds(
    Predicates,
    st.frozensets(st.sampled_from(("GET", "POST")), max_size=1),
    st.dictionaries(st.sampled_from(("x-a", "x-b")), _demands, max_size=2),
    st.dictionaries(st.sampled_from(("a", "b")), _demands, max_size=2),
)


@settings(max_examples=150)
@given(
    _predicates,
    _predicates,
    st.sampled_from(("GET", "POST")),
    st.dictionaries(st.sampled_from(("x-a", "x-b")), _values),
    st.dictionaries(st.sampled_from(("a", "b")), _values),
)
def test_what_one_request_satisfies_overlaps(
    one: Predicates, two: Predicates, method: str, headers: dict[str, str], query: dict[str, str]
) -> None:
    request = Request(method, "/?" + "&".join(f"{name}={value}" for name, value in query.items()), headers)
    assert one.may_overlap(two) is two.may_overlap(one)
    if all(each.accepts_method(method) and each.accepts_values(request) for each in (one, two)):
        assert one.may_overlap(two)


@settings(max_examples=100)
@given(_predicates)
def test_one_demand_more_is_more_specific(some: Predicates) -> None:
    assert Predicates(some.methods, {**some.headers, "x-more": Present()}, some.query).rank() > some.rank()
    assert Predicates(some.methods, some.headers, {**some.query, "more": Present()}).rank() > some.rank()
