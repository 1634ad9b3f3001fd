"""Router: which route. Nothing else.

THE RULE: the most specific route wins.
1. Path, from left to right: an exact segment beats a parameter, a parameter beats a tail.
2. Host: an exact one beats `*.example.com` (the longer the better), that beats none.
3. Headers, then query: more demands beat fewer, exact values beat expressions beat presence.
4. Methods: named ones beat any; a named HEAD beats the one that GET brings along.
Two routes equal in all of this that one request could satisfy are a tie, and a tie is a
ConfigurationError: the order of lines in a file decides nothing.

If the most specific path's demands do not hold, the next specific path is tried. If nothing
holds but for the method, the answer is 405 with the methods that would; otherwise 404.

Cost: one dictionary look-up a segment, whatever the number of routes (`segment_trie.py`).

What it does not do: apply policy, or know what a service is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence

from api_gateway.core.canonical_path import decode_segment
from api_gateway.core.errors import ConfigurationError, GatewayError, MethodNotAllowed, NotFound
from api_gateway.core.middleware import Chain, Handler, chain
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.xray.facts import Facts
from api_gateway.core.xray.recorder import Recorder
from api_gateway.routing.rejection import rejections
from api_gateway.routing.route import Route
from api_gateway.routing.segment_trie import Node, leaf_for, leaves, search


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
        self._root = Node()
        for route in self.routes:
            leaf_for(self._root, route).add(route)
        for leaf in leaves(self._root):
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
        return self._bound(services, chain)

    def watched(self, recorder: Recorder, services: Mapping[str, Handler]) -> Handler:
        """See `Watchable`."""
        return recorder.step(self, self._bound(services, recorder.chain))

    def _bound(self, services: Mapping[str, Handler], chain: Chain) -> Handler:
        handlers: dict[int, Handler] = {}
        for route in self.routes:
            if route.service not in services:
                raise ConfigurationError(
                    f"route {route.name!r} names the service {route.service!r}, which is not defined"
                )
            handlers[id(route)] = route.bind(services[route.service], chain)

        def handle(request: Request, context: RequestContext) -> Awaitable[Response]:
            route, values = self._find(request)
            context.route = route.name
            if values:
                context.path_parameters = _named(route, values)
            return handlers[id(route)](request, context)

        return handle

    async def state_for(self, request: Request, context: RequestContext) -> Facts:
        """Which route wins, and why each other is not taken."""
        try:
            winner = self.match(request).route
        except GatewayError:
            winner = None
        rejected = rejections(self.routes, winner, request)
        return {
            "winner": winner.name if winner else None,
            "rejected": {rejection.route.name: rejection.reason for rejection in rejected},
        }

    def _find(self, request: Request) -> tuple[Route, tuple[str, ...]]:
        path = request.path
        segments = path.split("/")
        if "%" in path:
            segments = [decode_segment(segment) for segment in segments]
        allowed: set[str] = set()
        found = search(self._root, segments, 1, (), request, allowed)
        if found is None:
            raise MethodNotAllowed(list(allowed)) if allowed else NotFound(f"No route matches {path}.")
        return found


def _named(route: Route, values: tuple[str, ...]) -> Mapping[str, str]:
    return dict(zip(route.pattern.parameters, values, strict=True))
