"""A route: what its pattern accepts, and what it makes of the path on the way to the service."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.core.canonical_path import canonical_path
from api_gateway.core.errors import BadRequest, ConfigurationError
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.routing.route import PRESERVE, Pattern, Route
from api_gateway.routing.router import Router


def forwarded(pattern: str, path: str, **options: Any) -> str:
    return Route(pattern, "service", **options).forwarded_path(path)


async def arrives(route: Route, request: Request) -> tuple[Request, RequestContext]:
    """What the service gets when `route` matched `request`."""
    seen: list[tuple[Request, RequestContext]] = []

    async def service(request: Request, context: RequestContext) -> Response:
        seen.append((request, context))
        return Response(204)

    await Router([route]).bind({"service": service})(request, RequestContext())
    return seen[0]


# Patterns.


def test_a_pattern_has_exact_segments_parameters_and_a_tail() -> None:
    assert Pattern.parse("/a/{x}/b%2Fc/*") == Pattern(("a", None, "b/c"), ("x",), True)
    assert Pattern.parse("/") == Pattern(("",), (), False)
    assert Pattern.parse("/*") == Pattern((), (), True)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "must be a path"),
        ("users", "must be a path"),
        ("*", "must be a path"),
        ("/a/*/b", "neither literal"),
        ("/a*", "neither literal"),
        ("/{a}-{b}", "neither literal"),
        ("/v{a}", "neither literal"),
        ("/{a}/{a}", "twice"),
        ("/{1}", "canonical form"),
        ("/{}", "canonical form"),
        ("/a//b", "write '/a/b'"),
        ("/a/./b", "write '/a/b'"),
        ("/%7euser", "write '/~user'"),
        ("/a%2fb", "write '/a%2Fb'"),
        ("/../a", "above its root"),
        ("/a b", "percent-encoded"),
        ("/a?b=1", "percent-encoded"),
        ("/%zz", "hexadecimal"),
    ],
)
def test_a_path_that_is_no_pattern_is_refused_with_its_reason(path: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        Route(path, "service")


@pytest.mark.parametrize("host", ["", "a b", "a.test:80", "*", "a.*.test", "*a.test", "http://a.test"])
def test_a_host_that_is_no_host_name_is_refused(host: str) -> None:
    with pytest.raises(ConfigurationError, match="not a host name"):
        Route("/a", "service", hosts=[host])


def test_names_methods_and_hosts_are_brought_into_one_spelling() -> None:
    route = Route("/a", "service", methods=["get"], hosts=["API.Example.com."], headers={"X-Tier": "gold"})
    assert (route.name, route.methods, route.hosts) == ("/a", ("GET",), ("api.example.com",))
    assert "x-tier" in route.predicates.headers


# strip_prefix.


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/api/users/*", "/api/users/42", "/42"),
        ("/api/users/*", "/api/users/42/", "/42/"),
        ("/api/users/*", "/api/users", "/"),
        ("/api/users/*", "/api/users/", "/"),
        ("/api/users/*", "/api/users/a%2Fb/c", "/a%2Fb/c"),
        ("/api/{v}/*", "/api/1/x/y", "/x/y"),
        ("/*", "/a/b", "/a/b"),
        ("/*", "/", "/"),
    ],
)
def test_strip_prefix_removes_what_stands_before_the_tail(pattern: str, path: str, expected: str) -> None:
    assert forwarded(pattern, path, strip_prefix=True) == expected


def test_strip_prefix_needs_a_tail() -> None:
    with pytest.raises(ConfigurationError, match="strip_prefix needs"):
        Route("/api/users", "service", strip_prefix=True)


def test_without_an_option_the_path_is_forwarded_as_it_matched() -> None:
    assert forwarded("/api/users/*", "/api/users/a%2Fb/") == "/api/users/a%2Fb/"


# rewrite.


@pytest.mark.parametrize(
    ("pattern", "rewrite", "path", "expected"),
    [
        ("/users/{id}", "/v2/people/{id}", "/users/42", "/v2/people/42"),
        ("/{a}/{b}", "/{b}/{a}", "/1/2", "/2/1"),
        ("/users/{id}", "/people", "/users/42", "/people"),
        ("/users/{id}", "/people/{id}", "/users/a%2Fb", "/people/a%2Fb"),
        ("/users/{id}", "/people/{id}", "/users/*", "/people/*"),
        ("/users/{id}/*", "/people/{id}", "/users/*/x", "/people/*"),
        ("/users/*", "/people/*", "/users/1/2", "/people/1/2"),
        ("/users/*", "/people/*", "/users", "/people"),
        ("/users/*", "/people/*", "/users/", "/people/"),
        ("/users/*", "/*", "/users", "/"),
        ("/users/*", "/*", "/users/1", "/1"),
        ("/{t}/users/*", "/people/{t}/*", "/acme/users/1", "/people/acme/1"),
        ("/users/*", "/people", "/users/1", "/people"),
    ],
)
def test_rewrite_builds_a_path_from_parameters_and_tail(pattern: str, rewrite: str, path: str, expected: str) -> None:
    assert forwarded(pattern, path, rewrite=rewrite) == expected


@pytest.mark.parametrize(
    ("pattern", "options", "reason"),
    [
        ("/users/{id}", {"rewrite": "/people/{name}"}, "no parameter 'name'"),
        ("/users/{id}", {"rewrite": "/people/*"}, "has no tail"),
        ("/users/*", {"rewrite": "/people/*", "strip_prefix": True}, "exclude each other"),
        ("/users/*", {"rewrite": "people"}, "must be a path"),
        ("/users/*", {"rewrite": "/../people"}, "above its root"),
    ],
)
def test_a_rewrite_that_cannot_work_is_refused(pattern: str, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        Route(pattern, "service", **options)


_segment = st.text("ab.%~*;é/ ", min_size=1, max_size=4)


@settings(max_examples=200)
@given(st.lists(_segment, min_size=1, max_size=4), st.booleans())
def test_what_is_forwarded_is_still_canonical(segments: list[str], slash: bool) -> None:
    raw = "/p/" + "/".join(quote(segment, safe="*;~") for segment in segments) + "/" * slash
    try:
        path = canonical_path(raw)
    except BadRequest:
        return
    if path.split("/")[1] != "p":
        return  # the segments climbed out
    for options in ({"strip_prefix": True}, {"rewrite": "/*"}, {"rewrite": "/q/*"}):
        result = forwarded("/p/*", path, **options)
        assert canonical_path(result) == result


async def test_the_service_gets_the_rewritten_path_and_the_untouched_rest() -> None:
    request = Request("POST", "/users/42?a=%2F", {"x-a": "1"}, b"body")
    seen, _ = await arrives(Route("/users/{id}", "service", rewrite="/people/{id}"), request)
    assert (seen.method, seen.target, seen.headers, seen.body) == (
        "POST",
        "/people/42?a=%2F",
        request.headers,
        b"body",
    )
    assert request.path == "/users/42"


# host.


@pytest.mark.parametrize(
    ("option", "expected"), [(None, ""), ("internal.test", "internal.test"), (PRESERVE, "api.example.com:8080")]
)
async def test_the_host_option_chooses_the_host_for_the_service(option: str | None, expected: str) -> None:
    _, context = await arrives(
        Route("/a", "service", host=option), Request("GET", "/a", {"host": "api.example.com:8080"})
    )
    assert context.upstream_host == expected


async def test_preserving_a_host_that_is_not_there_leaves_the_endpoints_own() -> None:
    _, context = await arrives(Route("/a", "service", host=PRESERVE), Request("GET", "/a"))
    assert context.upstream_host == ""


async def test_a_routes_middleware_runs_before_the_path_is_changed() -> None:
    seen: list[str] = []

    async def layer(request: Request, context: RequestContext, call_next: Any) -> Response:
        seen.append(request.path)
        response: Response = await call_next(request, context)
        return response

    request, _ = await arrives(
        Route("/api/*", "service", strip_prefix=True, middleware=[layer]), Request("GET", "/api/x")
    )
    assert (seen, request.path) == (["/api/x"], "/x")
