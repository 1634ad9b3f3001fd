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
