"""Cross-checks: what shows only when two places are compared, most of all ties between routes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.config.route_schema import RouteConfig, make_route
from api_gateway.config.validate import validate
from api_gateway.core.errors import ConfigurationError
from api_gateway.routing.router import Router
from tests.support.config_files import problems_of, with_service

TIE = "add a method, host, header or query to one of them, or remove one"


def test_routes_that_tie_are_reported_at_the_later_one_with_the_line_of_the_other() -> None:
    text = with_service(
        "{path: '/a/{x}', service: users}",
        "{path: /b, service: users}",
        "{path: '/a/{y}', service: users}",
        "{path: /b, service: users, methods: [GET]}",
        "{path: /b, service: users, methods: [GET, POST]}",
    )
    cause = "this route and another are equally specific, and a request could match both"
    assert problems_of(text) == [
        f"5:5: {cause} (line 3, column 5); {TIE}",
        f"7:5: {cause} (line 6, column 5); {TIE}",
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("path: /a, methods: [GET]", "path: /a, methods: [POST]"),
        ("path: /a, hosts: [a.example]", "path: /a, hosts: [b.example]"),
        ("path: /a, headers: {x: '1'}", "path: /a, headers: {x: '2'}"),
        ("path: /a, query: {v: '1'}", "path: /a"),
        ("path: /a/*", "path: /a"),
        ("path: '/a/{id}'", "path: /a/me"),
    ],
)
def test_routes_that_differ_do_not_tie(first: str, second: str) -> None:
    assert problems_of(with_service(f"{{{first}, service: users}}", f"{{{second}, service: users}}")) == []


def test_a_name_can_be_given_once() -> None:
    text = with_service(
        "{path: /a, service: users, name: one}",
        "{path: /b, service: users, name: one}",
        "{path: /c, service: users, name: /d}",
        "{path: /d, service: users}",
    )
    assert problems_of(text) == [
        "4:38: another route has this name (line 3, column 5); choose another name",
        "6:12: another route has this name (line 5, column 5); choose another name",
    ]


def test_routes_of_one_path_need_no_names() -> None:
    text = with_service("{path: /a, service: users, methods: [GET]}", "{path: /a, service: users, methods: [POST]}")
    assert problems_of(text) == []


_routes = st.builds(
    lambda path, methods, hosts, headers: {
        "path": path, "service": "s", "methods": methods, "hosts": hosts, "headers": headers,
    },
    st.sampled_from(["/a", "/a/*", "/a/{x}", "/a/{y}", "/b"]),
    st.lists(st.sampled_from(["GET", "POST"]), max_size=2),
    st.lists(st.sampled_from(["a.b", "*.b"]), max_size=2, unique=True),
    st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(["1", "2", {"present": True}]), max_size=2),
)  # fmt: skip


@settings(max_examples=200)
@given(st.lists(_routes, min_size=1, max_size=6))
def test_ties_are_found_exactly_where_the_router_refuses(routes: list[dict[str, object]]) -> None:
    config, findings = validate({"routes": routes}, provided=["s"])
    assert all(finding.remedy == TIE for finding in findings)
    try:
        Router([make_route(RouteConfig.model_validate(route)) for route in routes])
    except ConfigurationError:
        assert config is None
    else:
        assert config is not None
