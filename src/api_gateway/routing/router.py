"""Router: which route. Nothing else.

A trie over path segments: each node has its exact children in a dictionary, at most one
parameter child, and at most one tail. Where a path ends, the routes that share it are kept by
host, most specific first.

THE RULE: the most specific route wins.
1. Path, from left to right: an exact segment beats a parameter, a parameter beats a tail.
2. Host: an exact one beats `*.example.com` (the longer the better), that beats none.
3. Headers, then query: more demands beat fewer, exact values beat expressions beat presence.
4. Methods: named ones beat any; a named HEAD beats the one that GET brings along.
Two routes equal in all of this that one request could satisfy are a tie, and a tie is a
ConfigurationError: the order of lines in a file decides nothing.

If the most specific path's demands do not hold, the next specific path is tried. If nothing
holds but for the method, the answer is 405 with the methods that would; otherwise 404.

Cost: one dictionary look-up a segment, whatever the number of routes.

What it does not do: apply policy, or know what a service is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from sys import intern

from api_gateway.core.canonical_path import decode_segment
from api_gateway.core.errors import ConfigurationError, MethodNotAllowed, NotFound
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.routing.host import host_patterns
from api_gateway.routing.predicates import Predicates
from api_gateway.routing.route import Route


class Match:
    """The route for a request, and the values of its parameters."""

    __slots__ = ("parameters", "route")

    def __init__(self, route: Route, parameters: Mapping[str, str]) -> None:
        self.route = route
        self.parameters = parameters

    def __repr__(self) -> str:
        return f"Match({self.route.name!r}, {dict(self.parameters)!r})"


class Router:
    """A routing table."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Build the trie.

        Raises:
            ConfigurationError: two routes tie.
        """
        self.routes: Sequence[Route] = tuple(routes)
        self._root = _Node()
        for route in self.routes:
            _leaf_for(self._root, route).add(route)
        for leaf in _leaves(self._root):
            leaf.settle()

    def match(self, request: Request) -> Match:
        """The most specific route for a request with a canonical path.

        Raises:
            NotFound: no route matches.
            MethodNotAllowed: one would, for another method.
        """
        route, values = self._find(request)
        return Match(route, _named(route, values))

    def bind(self, services: Mapping[str, Handler]) -> Handler:
        """A handler that matches and calls the route's service.

        Raises:
            ConfigurationError: a route names a service that is not in `services`.
        """
        handlers: dict[int, Handler] = {}
        for route in self.routes:
            if route.service not in services:
                raise ConfigurationError(
                    f"route {route.name!r} names the service {route.service!r}, which is not defined"
                )
            handlers[id(route)] = route.bind(services[route.service])

        def handle(request: Request, context: RequestContext) -> Awaitable[Response]:
            route, values = self._find(request)
            context.route = route.name
            if values:
                context.path_parameters = _named(route, values)
            return handlers[id(route)](request, context)

        return handle

    def _find(self, request: Request) -> tuple[Route, tuple[str, ...]]:
        path = request.path
        segments = path.split("/")
        if "%" in path:
            segments = [decode_segment(segment) for segment in segments]
        allowed: set[str] = set()
        found = _search(self._root, segments, 1, (), request, allowed)
        if found is None:
            raise MethodNotAllowed(list(allowed)) if allowed else NotFound(f"No route matches {path}.")
        return found


def _named(route: Route, values: tuple[str, ...]) -> Mapping[str, str]:
    return dict(zip(route.pattern.parameters, values, strict=True))


class _Leaf:
    """The routes that share one path pattern, by host: exact name, `*.suffix`, or empty for any."""

    __slots__ = ("by_host", "hosts_matter", "only")

    def __init__(self) -> None:
        self.by_host: dict[str, list[Route]] = {}
        self.hosts_matter = False
        self.only: Route | None = None  # the one route here, if it demands nothing more

    def add(self, route: Route) -> None:
        for host in route.hosts or ("",):
            self.by_host.setdefault(host, []).append(route)

    def settle(self) -> None:
        """Sort most specific first; refuse ties."""
        self.hosts_matter = set(self.by_host) != {""}
        for host, routes in self.by_host.items():
            routes.sort(key=lambda route: (route.predicates.rank(), "HEAD" in route.methods), reverse=True)
            for index, route in enumerate(routes):
                for rival in routes[index + 1 :]:
                    if rival.predicates.rank() != route.predicates.rank():
                        break
                    if route.predicates.may_overlap(rival.predicates):
                        raise _tie(route, rival, host)
        [first, *others] = self.by_host.get("", [None])
        if not self.hosts_matter and not others and first is not None and first.predicates == Predicates():
            self.only = first

    def select(self, request: Request, allowed: set[str]) -> Route | None:
        if self.only is not None:
            return self.only
        for host in host_patterns(request) if self.hosts_matter else ("",):
            for route in self.by_host.get(host, ()):
                predicates = route.predicates
                if predicates.accepts_values(request):
                    if predicates.accepts_method(request.method):
                        return route
                    allowed |= predicates.allowed_methods()
        return None


class _Node:
    __slots__ = ("exact", "forced", "here", "parameter", "tail")

    def __init__(self) -> None:
        self.exact = _NO_CHILDREN
        self.forced = True  # no parameter and no tail: an exact child is the only way on
        self.parameter: _Node | None = None
        self.here: _Leaf | None = None
        self.tail: _Leaf | None = None

    def child(self, segment: str) -> _Node:
        """The exact child for `segment`, made if it is not there."""
        if self.exact is _NO_CHILDREN:
            self.exact = {}
        return self.exact.setdefault(segment, _Node())


# Shared, as are equal segments by `intern`: in a large table each object of one's own that a match
# touches is likely a cache miss.
_NO_CHILDREN: dict[str, _Node] = {}


def _leaf_for(node: _Node, route: Route) -> _Leaf:
    for segment in route.pattern.segments:
        if segment is None:
            node.forced = False
            node.parameter = node.parameter or _Node()
            node = node.parameter
        else:
            node = node.child(intern(segment))
    if route.pattern.has_tail:
        node.forced = False
        node.tail = node.tail or _Leaf()
        return node.tail
    node.here = node.here or _Leaf()
    return node.here


def _leaves(node: _Node) -> Iterator[_Leaf]:
    yield from (leaf for leaf in (node.here, node.tail) if leaf is not None)
    for child in (*node.exact.values(), *([node.parameter] if node.parameter else [])):
        yield from _leaves(child)


def _search(
    node: _Node, segments: list[str], depth: int, values: tuple[str, ...], request: Request, allowed: set[str]
) -> tuple[Route, tuple[str, ...]] | None:
    """Depth first in the order of THE RULE, so that the first hit is the most specific."""
    while node.forced and depth < len(segments):
        # Nothing to come back to: walk on without a call. Halves the cost of a usual match.
        child = node.exact.get(segments[depth])
        if child is None:
            return None
        node = child
        depth += 1
    if depth < len(segments):
        segment = segments[depth]
        child = node.exact.get(segment)
        if child is not None:
            found = _search(child, segments, depth + 1, values, request, allowed)
            if found is not None:
                return found
        if node.parameter is not None and segment:
            found = _search(node.parameter, segments, depth + 1, (*values, segment), request, allowed)
            if found is not None:
                return found
    elif node.here is not None:
        route = node.here.select(request, allowed)
        if route is not None:
            return route, values
    if node.tail is not None:
        route = node.tail.select(request, allowed)
        if route is not None:
            return route, values
    return None


def _tie(route: Route, rival: Route, host: str) -> ConfigurationError:
    where = f" for host {host}" if host else ""
    return ConfigurationError(
        f"routes {route.name!r} and {rival.name!r} are equally specific{where}, and a request could match both: "
        "add a method, header or query to one of them, or remove one"
    )
