"""Weighted round robin, as it is written first: everybody as often in the list as their weight says."""

from __future__ import annotations

from collections.abc import Sequence

from api_gateway import Endpoint, Request, RequestContext


class WeightedTurns:
    """A load balancer: see `api_gateway.LoadBalancer`."""

    def __init__(self) -> None:
        self._turn = 0

    def select(self, endpoints: Sequence[Endpoint], request: Request, context: RequestContext) -> Endpoint:
        """The one whose turn it is. `endpoints` may be others than the last time."""
        turns = [endpoint for endpoint in endpoints for _ in range(endpoint.weight)]
        self._turn += 1
        return turns[(self._turn - 1) % len(turns)]
