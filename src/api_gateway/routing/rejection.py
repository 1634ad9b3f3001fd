"""Rejection: why a route was not taken, in words.

Rule: each route is looked at on its own, slowly. It is for a person who asks, never for the path of a request.

What it does not do: decide. Which route wins is the router's to say (`router.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from api_gateway.core.canonical_path import decode_segment
from api_gateway.core.request import Request
from api_gateway.routing.host import host_name
from api_gateway.routing.route import Route


@dataclass(frozen=True, slots=True)
class Rejection:
    """A route that did not win, and why."""

    route: Route
    reason: str


def rejections(routes: Iterable[Route], winner: Route | None, request: Request) -> list[Rejection]:
    """Every route but the winner, for a request with a canonical path."""
    return [
        Rejection(route, _why_not(route, request) or "matches too, but is less specific than the winner")
        for route in routes
        if route is not winner
    ]


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
