"""Transform checks: facts that are not known where a transform stands."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from api_gateway.config.problems import Finding
from api_gateway.config.transform_checks import check_transform
from api_gateway.config.transform_schema import TransformOptions


def check(value: str, parameters: Collection[str] | None, *, direction: str = "request") -> list[Finding]:
    options = TransformOptions.model_validate({direction: {"headers": {"set": {"X-A": value}}}})
    return [*check_transform(("middleware", 0, "transform"), options, parameters)]


def test_a_parameter_must_be_in_the_routes_path() -> None:
    assert check("{path.id} {request_id}", ["id"]) == []
    (finding,) = check("{path.idd}", ["id"])
    assert finding.path == ("middleware", 0, "transform", "request", "headers", "set", "X-A")
    assert finding.cause == "the route's path has no parameter 'idd'"
    assert finding.remedy == "did you mean 'id'?"
    (finding,) = check("{path.id}", [], direction="response")
    assert finding.remedy == "it has: none"


@pytest.mark.parametrize("fact", ["path.id", "route"])
def test_before_the_router_no_request_knows_its_route(fact: str) -> None:
    (finding,) = check(f"{{{fact}}}", None)
    assert finding.cause == f"{{{fact}}} is not known before the router"
    assert check(f"{{{fact}}}", None, direction="response") == [], "an answer does"
    assert check("{request_id}", None) == []


def test_bodies_and_removals_have_no_facts() -> None:
    options = TransformOptions.model_validate({"request": {"body": "@"}, "response": {"headers": {"remove": ["a"]}}})
    assert [*check_transform((), options, None)] == []
