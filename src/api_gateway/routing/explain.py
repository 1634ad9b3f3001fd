"""Explain: why this route, and why not the others.

Rule: the verdict comes from the router itself; only the *reasons* are worked out beside it (`rejection.py`).

What it does not do: look at anything but routing. `ApiGateway.explain` shows every decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from api_gateway.core.errors import MethodNotAllowed, NotFound
from api_gateway.core.request import Request
from api_gateway.routing.rejection import Rejection, rejections
from api_gateway.routing.router import Match, Router


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
    return Explanation(match, status, allow, rejections(router.routes, winner, request))
