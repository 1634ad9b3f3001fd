"""Request priority: which class a request is in, from what has been proved about it.

Rule: the class is that of the caller's tier (`context.tier`, as the proven identity says); without one, that of the
route; else `default`. A header, if one is named at all, may make the class lower, never higher: it comes
from outside and is a claim, but nobody gains by lowering their own. Only where all who can reach the gateway
are trusted may a header raise it, too (`trust_header`). Any other value of the header says nothing.

Before the router no route is known, and before authentication no tier: a middleware that stands there sees the
default, and the header.

What it does not do: refuse. The queue and load shedding ask when they have to choose; else it costs nothing.

Source: Google, "Site Reliability Engineering", 2016, ch. 21: criticality is set at the edge, and handed on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.resilience.priority import PRIORITIES, Priority

PriorityOf: TypeAlias = Callable[[Request, RequestContext], Priority]
"""The class of a request."""

_NONE: Mapping[str, Priority] = {}


class RequestPriority:
    """The class, by tier, route and header."""

    __slots__ = ("_default", "_header", "_routes", "_tiers", "_trust_header")

    def __init__(
        self,
        default: Priority = Priority.DEFAULT,
        *,
        tiers: Mapping[str, Priority] = _NONE,
        routes: Mapping[str, Priority] = _NONE,
        header: str = "",
        trust_header: bool = False,
    ) -> None:
        """`tiers` and `routes` by their names; `header` is the name of one, or empty for none."""
        self._default = default
        self._tiers = dict(tiers)
        self._routes = dict(routes)
        self._header = header
        self._trust_header = trust_header

    def __call__(self, request: Request, context: RequestContext) -> Priority:
        """The class of this request."""
        proven = self._tiers.get(context.tier)
        if proven is None:
            proven = self._routes.get(context.route, self._default)
        if not self._header:
            return proven
        claimed = PRIORITIES.get((request.header(self._header) or "").strip().lower(), proven)
        return claimed if self._trust_header else max(proven, claimed)


def same_for_all(request: Request, context: RequestContext) -> Priority:
    """The default class, whatever the request."""
    return Priority.DEFAULT
