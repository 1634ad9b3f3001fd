"""Least connections: the least busy of all gets the next request."""

from __future__ import annotations

from collections.abc import Sequence

from api_gateway import Endpoint, Request, RequestContext
from api_gateway.core.clock import Clock


class LeastBusy:
    """A load balancer: see `api_gateway.LoadBalancer`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turn = 0
        self._chosen: dict[Endpoint, int] = {}

    def select(self, endpoints: Sequence[Endpoint], request: Request, context: RequestContext) -> Endpoint:
        """The one with the fewest requests in flight; of equals, the one that was chosen longest ago."""
        chosen = min(endpoints, key=lambda endpoint: (endpoint.in_flight, self._chosen.get(endpoint, 0)))
        self._turn += 1
        self._chosen[chosen] = self._turn
        return chosen
