"""A router that is obviously right and obviously slow, and tables and requests to try it with.

It looks at every route by itself, writes down how specific each matching one is, and takes the
greatest. No trie, no sorting at build time, no early exit: nothing shared with `routing/router.py`
but the words of THE RULE.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import TypeVar
from urllib.parse import parse_qsl, quote, unquote

from hypothesis import strategies as st

from api_gateway.core.canonical_path import canonical_path
from api_gateway.core.request import Request
from api_gateway.routing.predicates import Exactly, Matching, Present, ValuePredicate
from api_gateway.routing.route import Route

EXACT, PARAMETER, END, TAIL = 3, 2, 1, 0


@dataclass(frozen=True)
class NaiveMatch:
    """How well one route fits: `key` is None where only the method is wrong."""

    route: Route
    parameters: Mapping[str, str]
    key: tuple[object, ...] | None


def naive_matches(routes: Sequence[Route], request: Request) -> list[NaiveMatch]:
    """Every route that fits but perhaps for its method."""
    found = []
    for route in routes:
        path = _path_fit(route.path, request.path)
        host = _host_fit(route.hosts, request.header("host") or "")
        if path is None or host is None or not _values_fit(route, request):
            continue
        path_key, parameters = path
        method = _method_fit(route.methods, request.method)
        key = None if method is None else (path_key, host, _count(route.headers), _count(route.query), method)
        found.append(NaiveMatch(route, parameters, key))
    return found


def allowed_by(matches: Sequence[NaiveMatch]) -> set[str]:
    """What `Allow` must say when no method fits."""
    methods = {method for match in matches for method in match.route.methods}
    return methods | {"HEAD"} if "GET" in methods else methods


def naive_tie(table: Sequence[Route]) -> bool:
    """Whether some request has two most specific routes, found by trying them out, two by two."""
    for one, two in combinations(table, 2):
        for host in set(one.hosts or [""]) & set(two.hosts or [""]):
            if (_count(one.headers), _count(one.query)) != (_count(two.headers), _count(two.query)):
                continue  # one asks for more, so it wins wherever both match
            for request in _universe(one.path, host.replace("*", "zz")):
                keys = [match.key for match in naive_matches((one, two), request)]
                if len(keys) == 2 and None not in keys and keys[0] == keys[1]:
                    return True
    return False


def _universe(path: str, host: str) -> Iterator[Request]:
    """Every request that the values below can make for one path and host."""
    instance = re.sub(r"\{p\d\}", "v", path).replace("*", "v")
    values = (None, *_VALUES)
    for method, xa, xb, a, b in product(_METHODS, values, values, values, values):
        headers = {name: value for name, value in (("host", host), ("x-a", xa), ("x-b", xb)) if value}
        query = "&".join(f"{name}={value}" for name, value in (("a", a), ("b", b)) if value)
        yield Request(method, f"{instance}?{query}", headers)


def _path_fit(pattern: str, path: str) -> tuple[tuple[int, ...], dict[str, str]] | None:
    wanted = pattern.split("/")[1:]
    have = [unquote(segment) for segment in path.split("/")[1:]]
    key: list[int] = []
    parameters: dict[str, str] = {}
    for position, want in enumerate(wanted):
        if want == "*":
            return (*key, TAIL), parameters
        if position >= len(have):
            return None
        if want.startswith("{"):
            if not have[position]:
                return None
            parameters[want[1:-1]] = have[position]
            key.append(PARAMETER)
        elif unquote(want) == have[position]:
            key.append(EXACT)
        else:
            return None
    return ((*key, END), parameters) if len(have) == len(wanted) else None


def _host_fit(patterns: Sequence[str], host: str) -> tuple[int, int] | None:
    """(2, 0) for an exact host, (1, length) for a wildcard, (0, 0) for a route without hosts."""
    if not patterns:
        return (0, 0)
    name = re.sub(r":\d+$", "", host.lower()).rstrip(".")
    fits = [(2, 0) for pattern in patterns if pattern == name]
    fits += [(1, len(pattern)) for pattern in patterns if pattern[0] == "*" and name.endswith(pattern[1:])]
    return max(fits, default=None)


def _values_fit(route: Route, request: Request) -> bool:
    parameters = parse_qsl(request.query, keep_blank_values=True)
    return all(
        any(_holds(predicate, value) for value in request.headers.get_all(name))
        for name, predicate in route.headers.items()
    ) and all(
        any(_holds(predicate, value) for key, value in parameters if key == name)
        for name, predicate in route.query.items()
    )


def _holds(predicate: str | ValuePredicate, value: str) -> bool:
    if isinstance(predicate, str):
        return value == predicate
    if isinstance(predicate, Exactly):
        return value == predicate.value
    if isinstance(predicate, Matching):
        return bool(re.fullmatch(predicate.pattern.pattern, value))
    return True


def _method_fit(methods: Sequence[str], method: str) -> int | None:
    """2 where the route names the method, 1 where GET implies it, 0 where any will do."""
    if not methods:
        return 0
    if method in methods:
        return 2
    return 1 if method == "HEAD" and "GET" in methods else None


def _count(demands: Mapping[str, str | ValuePredicate]) -> tuple[int, int, int]:
    values = list(demands.values())
    exact = sum(isinstance(value, str | Exactly) for value in values)
    return (len(values), exact, sum(isinstance(value, Matching) for value in values))


_Value = TypeVar("_Value")
_LITERALS = ("users", "usersX", "me", "a/b", "*", "café")
_HOSTS = ("example.com", "api.example.com", "*.example.com", "*.api.example.com", "*.com", "[::1]")
_METHODS = ("GET", "HEAD", "POST", "DELETE")
_VALUES = ("1", "2", "22")

_DEMANDS: tuple[str | ValuePredicate, ...] = ("1", "2", Matching.compile("2+"), Matching.compile("[12]"), Present())


def _up_to_two(names: tuple[str, str], values: Sequence[_Value]) -> list[dict[str, _Value]]:
    """Every way to give none, one or both of two names a value; none comes twice as often as all else."""
    both = [dict(zip(names, pair, strict=True)) for pair in product(values, repeat=2)]
    one = [{name: value} for name in names for value in values]
    return [{}] * 2 * len(both + one) + both + one


_HEADER_DEMANDS = _up_to_two(("x-a", "x-b"), _DEMANDS)
_QUERY_DEMANDS = _up_to_two(("a", "b"), _DEMANDS)
_HEADERS = _up_to_two(("x-a", "x-b"), _VALUES)
_QUERIES = _up_to_two(("a", "b"), _VALUES)
_METHOD_LISTS = [[], [], *([method] for method in _METHODS), *map(list, combinations(_METHODS, 2))]
_HOST_LISTS = [*[[]] * 8, *([host] for host in _HOSTS), *map(list, combinations(_HOSTS, 2))]


@st.composite
def paths(draw: st.DrawFn) -> str:
    """A path pattern of up to three segments, perhaps with a tail or a trailing slash."""
    segments = draw(st.lists(st.sampled_from((*_LITERALS, None)), max_size=3))
    pattern = [f"{{p{i}}}" if literal is None else quote(literal, safe="") for i, literal in enumerate(segments)]
    return "/" + "/".join([*pattern, *draw(st.sampled_from(([], ["*"], [""])) if pattern else st.just(["*"]))])


@st.composite
def routes(draw: st.DrawFn) -> Route:
    """A route; mostly a plain one, so that some requests get through."""
    return Route(
        draw(paths()),
        "service",
        methods=draw(st.sampled_from(_METHOD_LISTS)),
        hosts=draw(st.sampled_from(_HOST_LISTS)),
        headers=draw(st.sampled_from(_HEADER_DEMANDS)),
        query=draw(st.sampled_from(_QUERY_DEMANDS)),
    )


def tables(max_size: int = 6) -> st.SearchStrategy[list[Route]]:
    """Routes, several of which often share a path."""
    few_paths = st.lists(routes(), min_size=1, max_size=max_size)
    return st.one_of(few_paths, st.builds(_onto_few_paths, few_paths))


def _onto_few_paths(table: list[Route]) -> list[Route]:
    return [
        Route(table[i % 2].path if len(table) > 1 else route.path, "service", route.methods, route.hosts,
              route.headers, route.query)
        for i, route in enumerate(table)
    ]  # fmt: skip


@st.composite
def requests_near(draw: st.DrawFn, table: list[Route]) -> Request:
    """A request that one of the routes matches, or nearly matches."""
    route = draw(st.sampled_from(table))
    segments: list[str] = []
    for segment in route.path.split("/")[1:]:
        if segment == "*":
            segments += draw(st.lists(st.sampled_from(("me", "x", "%2F", "")), max_size=2))
        else:
            segments.append(draw(st.sampled_from(("me", "42", "a%2Fb"))) if segment.startswith("{") else segment)
    path = "/" + "/".join(segments)
    near = (path, path, path, path + "X", path + "/", path.rsplit("/", 1)[0] or "/", path + "/me")
    query = draw(st.sampled_from(_QUERIES))
    headers = dict(draw(st.sampled_from(_HEADERS)))
    host = draw(st.sampled_from((None, "example.com", "API.example.com:8080", "x.y.example.com.", "[::1]:80", "z.com")))
    if host is not None:
        headers["host"] = host
    target = canonical_path(draw(st.sampled_from(near)))
    if query:
        target += "?" + "&".join(f"{name}={value}" for name, value in query.items())
    return Request(draw(st.sampled_from((*_METHODS, "PUT"))), target, headers)
