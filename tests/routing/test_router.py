"""The router: THE RULE by example, against a naive matcher, and its cost."""

from __future__ import annotations

import gc
import sys
import time
from functools import cache
from types import FrameType
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from api_gateway.core.canonical_path import canonical_path
from api_gateway.core.errors import ConfigurationError, MethodNotAllowed, NotFound
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.routing.predicates import Matching, Present
from api_gateway.routing.route import Route
from api_gateway.routing.router import Match, Router
from tests.support.naive_router import allowed_by, naive_matches, naive_tie, requests_near, tables


def router(*paths: str) -> Router:
    return Router([Route(path, "service") for path in paths])


def winner(table: Router, target: str, method: str = "GET", **headers: str) -> str | None:
    """Name of the route that wins, or None for a 404."""
    path, _, query = target.partition("?")
    canonical = canonical_path(path) + (f"?{query}" if query else "")
    try:
        return table.match(Request(method, canonical, headers)).route.name
    except NotFound:
        return None


def named(name: str, path: str = "/a", **demands: Any) -> Route:
    return Route(path, "service", name=name, **demands)


# Against the naive matcher.


@settings(max_examples=120)
@given(st.data(), tables())
def test_the_router_agrees_with_the_naive_matcher(data: st.DataObject, table: list[Route]) -> None:
    try:
        trie = Router(table)
    except ConfigurationError:
        assert naive_tie(table)
        event("tie")
        return
    request = data.draw(requests_near(table))
    matches = naive_matches(table, request)
    complete = [match for match in matches if match.key is not None]
    try:
        found: Match | None = trie.match(request)
        allow: set[str] = set()
    except NotFound:
        found, allow = None, set()
    except MethodNotAllowed as refusal:
        found, allow = None, set(refusal.headers.tokens("allow"))
    if complete:
        best = max(complete, key=lambda match: match.key or ())
        assert [match for match in complete if match.key == best.key] == [best], "an accepted table has no ties"
        assert found is not None
        assert found.route is best.route
        assert found.parameters == best.parameters
        event("200")
    else:
        assert found is None
        assert allow == allowed_by(matches)
        event("405" if allow else "404")


@settings(max_examples=100)
@given(st.data(), tables())
def test_the_order_of_the_routes_decides_nothing(data: st.DataObject, table: list[Route]) -> None:
    shuffled = data.draw(st.permutations(table))
    try:
        first = Router(table)
    except ConfigurationError:
        with pytest.raises(ConfigurationError):
            Router(shuffled)
        return
    second = Router(shuffled)
    request = data.draw(requests_near(table))
    outcomes: list[object] = []
    for trie in (first, second):
        try:
            outcomes.append(id(trie.match(request).route))
        except (NotFound, MethodNotAllowed) as refusal:
            outcomes.append(str(refusal))
    assert outcomes[0] == outcomes[1]


# THE RULE, line by line.


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/users/me", "/users/me"),
        ("/users/42", "/users/{id}"),
        ("/users/42/orders", "/users/*"),
        ("/users/me/orders", "/users/me/*"),
        ("/users", "/users/*"),
        ("/elsewhere", "/*"),
        ("/", "/*"),
    ],
)
def test_an_exact_segment_beats_a_parameter_and_a_parameter_beats_a_tail(target: str, expected: str) -> None:
    assert winner(router("/*", "/users/*", "/users/{id}", "/users/me", "/users/me/*"), target) == expected


def test_paths_are_compared_from_left_to_right() -> None:
    table = router("/{tenant}/users/me", "/acme/{kind}/{id}", "/acme/*")
    assert winner(table, "/acme/users/me") == "/acme/{kind}/{id}"
    assert winner(table, "/other/users/me") == "/{tenant}/users/me"


def test_a_dead_end_behind_an_exact_segment_falls_back_to_the_parameter() -> None:
    table = router("/a/b/c", "/{x}/b/d")
    assert winner(table, "/a/b/d") == "/{x}/b/d"
    assert table.match(Request("GET", "/a/b/d")).parameters == {"x": "a"}


def test_each_parameter_gets_the_segment_in_its_place() -> None:
    match = router("/{tenant}/users/{id}/*").match(Request("GET", "/acme/users/42/orders"))
    assert match.parameters == {"tenant": "acme", "id": "42"}


def test_values_of_an_abandoned_branch_do_not_leak_into_the_parameters() -> None:
    table = router("/{a}/{b}/end", "/{a}/*")
    assert table.match(Request("GET", "/1/2/3")).parameters == {"a": "1"}


def test_an_exact_host_beats_a_wildcard_and_the_longer_wildcard_beats_the_shorter() -> None:
    table = Router(
        [
            named("none"),
            named("*.com", hosts=["*.com"]),
            named("*.example.com", hosts=["*.example.com"]),
            named("api", hosts=["api.example.com"]),
        ]
    )
    assert winner(table, "/a", host="api.example.com") == "api"
    assert winner(table, "/a", host="www.example.com") == "*.example.com"
    assert winner(table, "/a", host="example.com") == "*.com"
    assert winner(table, "/a", host="example.org") == "none"
    assert winner(table, "/a") == "none"


def test_the_path_is_compared_before_the_host() -> None:
    table = Router([named("path", "/a/b"), named("host", "/a/*", hosts=["example.com"])])
    assert winner(table, "/a/b", host="example.com") == "path"


def test_more_headers_beat_fewer_and_headers_beat_query() -> None:
    table = Router(
        [
            named("plain"),
            named("query", query={"v": "1", "w": "1"}),
            named("one", headers={"x-a": "1"}),
            named("two", headers={"x-a": "1", "x-b": "1"}),
        ]
    )
    assert winner(table, "/a?v=1&w=1", **{"x-a": "1", "x-b": "1"}) == "two"
    assert winner(table, "/a?v=1&w=1", **{"x-a": "1"}) == "one"
    assert winner(table, "/a?v=1&w=1") == "query"
    assert winner(table, "/a?v=1") == "plain"


@pytest.mark.parametrize("where", ["headers", "query"])
def test_an_exact_value_beats_an_expression_and_that_beats_presence(where: str) -> None:
    values: dict[str, Any] = {"present": Present(), "matching": Matching.compile("go.*"), "exact": "gold"}
    table = Router([named(name, "/a", **{where: {"k": value}}) for name, value in values.items()])
    for value, expected in (("gold", "exact"), ("good", "matching"), ("tin", "present")):
        if where == "headers":
            assert winner(table, "/a", k=value) == expected
        else:
            assert winner(table, f"/a?k={value}") == expected
    assert winner(table, "/a") is None


def test_named_methods_beat_any() -> None:
    table = Router([named("any"), named("post", methods=["post"])])
    assert winner(table, "/a", "POST") == "post"
    assert winner(table, "/a", "DELETE") == "any"


def test_a_head_request_takes_the_get_route() -> None:
    assert winner(Router([named("get", methods=["GET"])]), "/a", "HEAD") == "get"


@pytest.mark.parametrize("order", [1, -1])
def test_a_named_head_beats_the_one_that_get_brings_along(order: int) -> None:
    table = Router([named("get", methods=["GET"]), named("head", methods=["HEAD"])][::order])
    assert winner(table, "/a", "HEAD") == "head"
    assert winner(table, "/a", "GET") == "get"


def test_demands_that_do_not_hold_give_way_to_the_next_specific_path() -> None:
    table = Router([named("special", "/a/b", headers={"x-a": "1"}), named("general", "/a/*")])
    assert winner(table, "/a/b") == "general"
    assert winner(table, "/a/b", **{"x-a": "1"}) == "special"


# 404 and 405.


def test_405_lists_the_methods_of_every_route_that_would_match() -> None:
    table = Router(
        [
            named("get", "/a/b", methods=["GET"]),
            named("put", "/a/{x}", methods=["PUT"]),
            named("other host", "/a/b", methods=["PATCH"], hosts=["x.test"]),
            named("other header", "/a/b", methods=["DELETE"], headers={"x-a": "1"}),
        ]
    )
    with pytest.raises(MethodNotAllowed) as refusal:
        table.match(Request("POST", "/a/b", {"host": "y.test"}))
    assert refusal.value.headers.get("allow") == "GET, HEAD, PUT"


def test_a_wrong_path_is_404_whatever_the_method() -> None:
    with pytest.raises(NotFound):
        Router([named("get", methods=["GET"])]).match(Request("POST", "/b"))


def test_an_empty_table_matches_nothing() -> None:
    assert winner(Router([]), "/") is None


# Segment boundaries and escapes.


@pytest.mark.parametrize("target", ["/usersX", "/user", "/usersX/1", "/users.json", "/xusers"])
def test_users_never_matches_what_merely_begins_like_it(target: str) -> None:
    assert winner(router("/users", "/users/*"), target) is None


def test_case_matters_in_paths() -> None:
    assert winner(router("/users"), "/Users") is None


@pytest.mark.parametrize("target", ["/users", "/users/", "/users/1/2", "/users/%2F"])
def test_a_tail_matches_everything_below_and_the_prefix_itself(target: str) -> None:
    assert winner(router("/users/*"), target) == "/users/*"


def test_a_trailing_slash_is_a_different_path() -> None:
    assert winner(router("/users"), "/users/") is None
    assert winner(router("/users/"), "/users") is None
    assert winner(router("/users", "/users/"), "/users/") == "/users/"


def test_the_root_is_one_path_and_not_a_prefix() -> None:
    assert winner(router("/"), "/") == "/"
    assert winner(router("/"), "/a") is None
    assert winner(router("/", "/*"), "/") == "/"


def test_a_parameter_needs_a_value_and_is_one_segment() -> None:
    table = router("/users/{id}")
    assert [winner(table, target) for target in ("/users", "/users/", "/users/1/2")] == [None, None, None]


def test_an_escaped_slash_is_data_inside_a_parameter() -> None:
    match = router("/files/{name}").match(Request("GET", "/files/a%2Fb"))
    assert match.parameters == {"name": "a/b"}
    assert match.route.forwarded_path("/files/a%2Fb") == "/files/a%2Fb"


def test_an_escaped_slash_never_separates_segments() -> None:
    assert winner(router("/a/b"), "/a%2Fb") is None
    assert winner(router("/a/b", "/a%2Fb"), "/a%2Fb") == "/a%2Fb"


def test_equal_spellings_of_a_path_find_the_same_route() -> None:
    table = router("/caf%C3%A9/me")
    assert winner(table, "/caf%c3%a9/%6de") == "/caf%C3%A9/me"
    assert winner(table, "/x/..//caf%C3%A9/./me") == "/caf%C3%A9/me"


def test_a_literal_star_in_a_request_is_only_a_character() -> None:
    assert winner(router("/a/b"), "/a/*") is None
    assert winner(router("/a/%2A", "/a/{x}"), "/a/*") == "/a/%2A"


# Hosts.


@pytest.mark.parametrize("host", ["api.example.com", "A.B.Example.com:443", "x.example.com."])
def test_a_wildcard_host_matches_every_name_below(host: str) -> None:
    assert winner(Router([named("wild", hosts=["*.example.com"])]), "/a", host=host) == "wild"


@pytest.mark.parametrize("host", ["example.com", "badexample.com", "example.com.evil.test", "com", ""])
def test_a_wildcard_host_matches_neither_itself_nor_a_lookalike(host: str) -> None:
    assert winner(Router([named("wild", hosts=["*.example.com"])]), "/a", host=host) is None


def test_an_ipv6_host_is_matched_with_and_without_port() -> None:
    table = Router([named("six", hosts=["[::1]"])])
    assert winner(table, "/a", host="[::1]:8080") == "six"
    assert winner(table, "/a", host="[::1]") == "six"
    assert winner(table, "/a", host="[::2]") is None


def test_a_route_matches_any_of_its_hosts() -> None:
    table = Router([named("two", hosts=["A.test", "b.test."])])
    assert [winner(table, "/a", host=host) for host in ("a.test", "b.test", "c.test")] == ["two", "two", None]


# Ties.


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {}),
        ({"path": "/x/{a}"}, {"path": "/x/{b}"}),
        ({"path": "/x/*"}, {"path": "/x/*"}),
        ({"hosts": ["a.test", "b.test"]}, {"hosts": ["B.test"]}),
        ({"methods": ["GET", "POST"]}, {"methods": ["POST", "PUT"]}),
        ({"headers": {"x-a": "1"}}, {"headers": {"x-b": "1"}}),
        ({"headers": {"x-a": "1"}}, {"headers": {"X-A": "1"}}),
        ({"headers": {"x-a": Matching.compile("1.*")}}, {"headers": {"x-a": Matching.compile(".*1")}}),
        ({"query": {"v": Present()}}, {"query": {"w": Present()}}),
    ],
)
def test_a_tie_is_refused_and_both_routes_are_named(first: dict[str, Any], second: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"'one' and 'two' are equally specific"):
        Router([named("one", **first), named("two", **second)])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"path": "/x/{a}"}, {"path": "/x/a"}),
        ({"path": "/x/{a}"}, {"path": "/x/{a}/"}),
        ({"path": "/x"}, {"path": "/x/*"}),
        ({"hosts": ["a.test"]}, {"hosts": ["b.test"]}),
        ({"hosts": ["a.test"]}, {}),
        ({"hosts": ["*.a.test"]}, {"hosts": ["*.test"]}),
        ({"methods": ["GET"]}, {"methods": ["POST"]}),
        ({"methods": ["GET"]}, {"methods": ["HEAD"]}),
        ({"methods": ["GET"]}, {}),
        ({"headers": {"x-a": "1"}}, {"headers": {"x-a": "2"}}),
        ({"headers": {"x-a": "1"}}, {"headers": {"x-a": Matching.compile("1")}}),
        ({"headers": {"x-a": "1"}}, {"query": {"x-a": "1"}}),
        ({"query": {"v": "1"}}, {"query": {"v": "1", "w": "1"}}),
    ],
)
def test_a_near_tie_is_accepted(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert len(Router([named("one", **first), named("two", **second)]).routes) == 2


def test_a_host_given_twice_in_one_route_is_no_tie_with_itself() -> None:
    assert winner(Router([named("one", hosts=["a.test", "A.test."])]), "/a", host="a.test") == "one"


# Bound to services.


async def test_a_bound_router_tells_the_context_what_it_found() -> None:
    async def service(request: Request, context: RequestContext) -> Response:
        return Response.text(f"{context.route} {dict(context.path_parameters)} {request.path}")

    handler = router("/users/{id}").bind({"service": service})
    response = await handler(Request("GET", "/users/a%20b"), RequestContext())
    assert await response.read() == b"/users/{id} {'id': 'a b'} /users/a%20b"


def test_a_route_to_an_unknown_service_is_refused_when_bound() -> None:
    with pytest.raises(ConfigurationError, match=r"'/users'.*'service'.*not defined"):
        router("/users").bind({})


# Cost.


@cache
def _many_paths(count: int) -> Router:
    return router(*(f"/service-{i}/items/{{id}}" for i in range(count)))


@cache
def _many_hosts(count: int) -> Router:
    return Router([named(f"tenant-{i}", hosts=[f"tenant-{i}.example.com"]) for i in range(count)])


_PATHS = [Request("GET", f"/service-{i}/items/42", {"host": "example.com"}) for i in range(10)]
_HOSTS = [Request("GET", "/a", {"host": f"tenant-{i}.example.com"}) for i in range(10)]


@pytest.mark.parametrize(("build", "requests"), [(_many_paths, _PATHS), (_many_hosts, _HOSTS)])
def test_ten_thousand_routes_take_exactly_the_steps_of_ten(build: Any, requests: list[Request]) -> None:
    assert _steps(build(10), requests) == _steps(build(10_000), requests)


@pytest.mark.parametrize(("build", "requests"), [(_many_paths, _PATHS), (_many_hosts, _HOSTS)])
def test_ten_thousand_routes_cost_at_most_1_3_times_ten(build: Any, requests: list[Request]) -> None:
    few, many = build(10), build(10_000)
    best = {id(few): 1 << 60, id(many): 1 << 60}
    for _ in range(150):  # in turn, so that noise from outside hits both; the minimum is free of it
        for table in (few, many):
            best[id(table)] = min(best[id(table)], _nanoseconds(table, requests))
    assert best[id(many)] <= 1.3 * best[id(few)]


def _nanoseconds(table: Router, requests: list[Request]) -> int:
    match = table.match
    started = time.perf_counter_ns()
    for request in requests * 10:
        match(request)
    return time.perf_counter_ns() - started


def _steps(table: Router, requests: list[Request]) -> int:
    """Calls and lines of Python code that the matches execute: the same in every run."""
    count = 0
    gc.disable()  # a finalizer of another test's rubbish would be counted (it once made 471 of 460)

    def trace(frame: FrameType, happening: str, argument: object) -> Any:
        nonlocal count
        count += happening in ("call", "line")
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        for request in requests:
            table.match(request)
    finally:
        sys.settrace(previous)
        gc.enable()
    assert count > 0
    return count
