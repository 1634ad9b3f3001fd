"""Segment trie: the routing table as a tree of path segments.

    /api/users/me, /api/users/{id}, /api/*

    api -- users -- me
     |       `----- {id}
     `-- *

Rule: each node has its exact children in a dictionary, at most one parameter child, and at most one tail. Where a
path ends, the routes that share it are kept by host, most specific first. The search goes depth first in the order of
the router's rule (`router.py`), so its first hit is the most specific route, and it turns back where demands do not
hold.
Cost: one dictionary look-up a segment, whatever the number of routes.

What it does not do: read a request's path; it gets decoded segments.
"""

from __future__ import annotations

from collections.abc import Iterator
from sys import intern

from api_gateway.core.errors import ConfigurationError
from api_gateway.core.request import Request
from api_gateway.routing.host import host_patterns
from api_gateway.routing.predicates import Predicates
from api_gateway.routing.route import Route


class Leaf:
    """The routes that share one path pattern, by host: exact name, `*.suffix`, or empty for any."""

    __slots__ = ("by_host", "hosts_matter", "only")

    def __init__(self) -> None:
        self.by_host: dict[str, list[Route]] = {}
        self.hosts_matter = False
        self.only: Route | None = None  # the one route here, if it demands nothing more

    def add(self, route: Route) -> None:
        """One more route that shares the pattern."""
        for host in route.hosts or ("",):
            self.by_host.setdefault(host, []).append(route)

    def settle(self) -> None:
        """Sort most specific first.

        Raises:
            ConfigurationError: two routes tie.
        """
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
        """The first whose demands hold; methods that would have been right go into `allowed`."""
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


class Node:
    """Where a path may go on: exact children, at most one parameter, at most one tail; and the routes that end here."""

    __slots__ = ("exact", "forced", "here", "parameter", "tail")

    def __init__(self) -> None:
        self.exact = _NO_CHILDREN
        self.forced = True  # no parameter and no tail: an exact child is the only way on
        self.parameter: Node | None = None
        self.here: Leaf | None = None
        self.tail: Leaf | None = None

    def child(self, segment: str) -> Node:
        """The exact child for `segment`, made if it is not there."""
        if self.exact is _NO_CHILDREN:
            self.exact = {}
        return self.exact.setdefault(segment, Node())


# Shared, as are equal segments by `intern`: in a large table each object of one's own that a match
# touches is likely a cache miss.
_NO_CHILDREN: dict[str, Node] = {}


def leaf_for(node: Node, route: Route) -> Leaf:
    """The leaf at the end of the route's pattern, made if it is not there."""
    for segment in route.pattern.segments:
        if segment is None:
            node.forced = False
            node.parameter = node.parameter or Node()
            node = node.parameter
        else:
            node = node.child(intern(segment))
    if route.pattern.has_tail:
        node.forced = False
        node.tail = node.tail or Leaf()
        return node.tail
    node.here = node.here or Leaf()
    return node.here


def leaves(node: Node) -> Iterator[Leaf]:
    """Every leaf below `node`."""
    yield from (leaf for leaf in (node.here, node.tail) if leaf is not None)
    for child in (*node.exact.values(), *([node.parameter] if node.parameter else [])):
        yield from leaves(child)


def search(
    node: Node, segments: list[str], depth: int, values: tuple[str, ...], request: Request, allowed: set[str]
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
            found = search(child, segments, depth + 1, values, request, allowed)
            if found is not None:
                return found
        if node.parameter is not None and segment:
            found = search(node.parameter, segments, depth + 1, (*values, segment), request, allowed)
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
