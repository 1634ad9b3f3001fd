"""Round robin: each endpoint in its turn.

Rule: the n-th request goes to endpoint n modulo the number of endpoints.
Bound: over any run of requests with fixed membership, two endpoints' counts differ by at most 1.
Cost: O(1), one integer of state.

What it does not do: notice that an endpoint is slow. With equal shares, a slow one collects
requests without end; least connections and two choices exist for that reason.
"""

from __future__ import annotations

from collections.abc import Sequence

from api_gateway.backend.endpoint import Endpoint
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.xray.facts import Facts


class RoundRobinLoadBalancer:
    """Takes endpoints in turn."""

    __slots__ = ("_turn",)

    def __init__(self) -> None:
        self._turn = -1

    def select(self, endpoints: Sequence[Endpoint], request: Request, context: RequestContext) -> Endpoint:
        """The endpoint whose turn it is."""
        self._turn = (self._turn + 1) % len(endpoints)
        return endpoints[self._turn]

    def state_for(self, endpoints: Sequence[Endpoint], request: Request, context: RequestContext) -> Facts:
        """Whose turn it is."""
        return {"next": endpoints[(self._turn + 1) % len(endpoints)].url}
