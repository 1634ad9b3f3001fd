"""Explain: why this route, and why not the others.

Rule: the verdict comes from the router itself; only the *reasons* are worked out here, by
looking at each route on its own, slowly and in words. It is for a person who asks, never for
the path of a request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from api_gateway.core.canonical_path import decode_segment
from api_gateway.core.errors import MethodNotAllowed, NotFound
from api_gateway.core.request import Request
from api_gateway.routing.host import host_name
from api_gateway.routing.route import Route
from api_gateway.routing.router import Match, Router


@dataclass(frozen=True, slots=True)
class Rejection:
    """A route that did not win, and why."""

    route: Route
    reason: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the router decides for one request."""

    match: Match | None
    status: int
    """200 when a route was found, else 404 or 405."""
    allow: Sequence[str]
    """For 405, the methods that would be right."""
    rejections: Sequence[Rejection]


def explain(router: Router, request: Request) -> Explanation:
    """Route a request with a canonical path, and say why each other route was not taken."""
    match: Match | None = None
    status = 200
    allow: Sequence[str] = ()
    try:
        match = router.match(request)
    except NotFound:
        status = 404
    except MethodNotAllowed as refusal:
        status, allow = 405, tuple(refusal.headers.tokens("allow"))
    winner = match.route if match else None
    rejections = [
        Rejection(route, _why_not(route, request) or "matches too, but is less specific than the winner")
        for route in router.routes
        if route is not winner
    ]
    return Explanation(match, status, allow, rejections)


def _why_not(route: Route, request: Request) -> str | None:
    reason = _path_reason(route, request.path) or _host_reason(route, request)
    if reason or (reason := route.predicates.why_not(request)):
        return reason
    if not route.predicates.accepts_method(request.method):
        return f"method {request.method} is not one of {', '.join(sorted(route.predicates.allowed_methods()))}"
    return None


def _path_reason(route: Route, path: str) -> str | None:
    segments = [decode_segment(segment) for segment in path.split("/")[1:]]
    wanted = route.pattern.segments
    for position, (have, want) in enumerate(zip(segments, wanted, strict=False), start=1):
        if want is None and not have:
            return f"segment {position} is empty, but a parameter needs a value"
        if want is not None and have != want:
            return f"segment {position} is {have!r}, not {want!r}"
    if len(segments) < len(wanted):
        return f"the path has {len(segments)} segments, the route {len(wanted)}"
    if len(segments) > len(wanted) and not route.pattern.has_tail:
        return f"the path goes on after {len(wanted)} segments; the route does not end in '*'"
    return None


def _host_reason(route: Route, request: Request) -> str | None:
    host = host_name(request)
    for pattern in route.hosts:
        if host == pattern or (pattern.startswith("*.") and host.endswith(pattern[1:])):
            return None
    return f"host {host!r} is not {' or '.join(route.hosts)}" if route.hosts else None
