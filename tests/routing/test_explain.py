"""Explain: the router's own verdict, and a true reason for every route that lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.core.errors import ConfigurationError, MethodNotAllowed, NotFound
from api_gateway.core.request import Request
from api_gateway.routing.explain import explain
from api_gateway.routing.predicates import Matching, Present
from api_gateway.routing.route import Route
from api_gateway.routing.router import Router
from tests.support.naive_router import naive_matches, requests_near, tables

_LESS_SPECIFIC = "matches too, but is less specific than the winner"


@settings(max_examples=120)
@given(st.data(), tables())
def test_the_verdict_is_the_routers_and_every_reason_is_true(data: st.DataObject, table: list[Route]) -> None:
    try:
        router = Router(table)
    except ConfigurationError:
        return
    request = data.draw(requests_near(table))
    explanation = explain(router, request)
    match = explanation.match
    if explanation.status == 200:
        found = router.match(request)
        assert match is not None
        assert (match.route, match.parameters, explanation.allow) == (found.route, found.parameters, ())
    else:
        assert match is None
        with pytest.raises(NotFound if explanation.status == 404 else MethodNotAllowed) as refusal:
            router.match(request)
        assert list(explanation.allow) == refusal.value.headers.tokens("allow")

    losers = [rejection.route for rejection in explanation.rejections]
    winner = match.route if match else None
    assert list(map(id, losers)) == [id(route) for route in table if route is not winner]
    matching = {id(fit.route): fit for fit in naive_matches(table, request)}
    for rejection in explanation.rejections:
        fit = matching.get(id(rejection.route))
        if fit is None:
            assert not rejection.reason.startswith(("method", _LESS_SPECIFIC))
        elif fit.key is None:
            assert rejection.reason.startswith(f"method {request.method} is not one of ")
        else:
            assert rejection.reason == _LESS_SPECIFIC
            assert winner is not None


@pytest.mark.parametrize(
    ("path", "demands", "reason"),
    [
        ("/orders/{id}", {}, "segment 1 is 'users', not 'orders'"),
        ("/users/{id}/orders", {}, "the path has 2 segments, the route 3"),
        ("/users", {}, "the path goes on after 1 segments; the route does not end in '*'"),
        ("/users/{id}", {"hosts": ["a.test", "*.b.test"]}, "host 'example.com' is not a.test or *.b.test"),
        ("/users/{id}", {"headers": {"x-tier": "gold"}}, "header x-tier must be 'gold'"),
        ("/users/{id}", {"headers": {"x-key": Present()}}, "header x-key must be present"),
        ("/users/{id}", {"query": {"v": Matching.compile("[12]")}}, "query parameter v must match '[12]'"),
        ("/users/{id}", {"methods": ["PUT", "GET"]}, "method POST is not one of GET, HEAD, PUT"),
        ("/users/*", {}, _LESS_SPECIFIC),
    ],
)
def test_each_reason_says_what_is_wrong(path: str, demands: dict[str, Any], reason: str) -> None:
    router = Router([Route("/users/{name}", "service", methods=["POST"]), Route(path, "service", **demands)])
    explanation = explain(router, Request("POST", "/users/42?v=3", {"host": "Example.com:80"}))
    assert [rejection.reason for rejection in explanation.rejections] == [reason]


def test_an_empty_segment_is_named_as_the_reason() -> None:
    explanation = explain(Router([Route("/users/{id}", "service")]), Request("GET", "/users/"))
    assert explanation.status == 404
    assert [rejection.reason for rejection in explanation.rejections] == [
        "segment 2 is empty, but a parameter needs a value"
    ]
