"""RequestContext: named facts, each empty until known, and none besides."""

from __future__ import annotations

import pytest

from api_gateway.core.request_context import RequestContext


def test_a_misspelt_fact_is_an_error() -> None:
    context = RequestContext()
    with pytest.raises(AttributeError):
        context.rout = "x"  # type: ignore[attr-defined]  # the misspelling under test
    with pytest.raises(AttributeError):
        _ = context.rout  # type: ignore[attr-defined]  # the same, read


def test_every_fact_has_a_value_from_the_start() -> None:
    context = RequestContext(7, "10.0.0.1", "https", "1.1")
    facts = {name: getattr(context, name) for name in RequestContext.__slots__}
    assert facts.pop("started") == 7
    assert facts.pop("peer_address") == facts.pop("client_address") == "10.0.0.1"
    assert (facts.pop("scheme"), facts.pop("http_version"), facts.pop("flag")) == ("https", "1.1", "-")
    assert not any(facts.values())


def test_facts_of_two_requests_are_apart() -> None:
    one, two = RequestContext(), RequestContext()
    one.path_parameters = {"id": "1"}
    one.route = "r"
    assert (two.path_parameters, two.route) == ({}, "")


def test_a_repr_shows_what_is_known() -> None:
    context = RequestContext(scheme="")
    context.route = "users"
    assert repr(context) == "RequestContext(flag='-', route='users')"


def test_a_fork_knows_what_was_known_and_goes_its_own_way() -> None:
    context = RequestContext(7, "10.0.0.1", "https", "1.1")
    context.route, context.deadline, context.tried = "users", 99, ("http://a",)
    fork = context.fork()
    assert repr(fork) == repr(context)
    fork.endpoint, fork.attempts = "http://b", 3
    context.flag = "UF"
    assert (context.endpoint, context.attempts, fork.flag) == ("", 0, "-")


def test_a_context_adopts_every_fact_of_a_fork() -> None:
    context = RequestContext(7)
    fork = context.fork()
    for number, name in enumerate(RequestContext.__slots__):
        setattr(fork, name, number)
    context.adopt(fork)
    assert [getattr(context, name) for name in RequestContext.__slots__] == [*range(len(RequestContext.__slots__))]
