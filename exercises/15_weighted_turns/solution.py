"""The fix: smooth weighted round robin: in each turn all earn their weight, the richest is chosen and pays the total.

Why: credit is how far an endpoint is behind its share. Choosing the richest keeps everybody within one turn of it,
which is as smooth as whole turns can be. What is earned in a turn, the sum of the weights, is what is paid, so the
credits always add up to nothing, and after a whole round all are zero again. Choosing at random by weight is right on
average, and off by the square root of the number of requests: queues are made of that.

What it costs: a pass over all endpoints for each choice. The package asks only the first of each group of equal weight.
What it does not give: any notice that an endpoint has become slow; weights are somebody's guess about yesterday.
"""

from __future__ import annotations

from collections.abc import Sequence

from api_gateway import Endpoint, Request, RequestContext


class WeightedTurns:
    """A load balancer: see `api_gateway.LoadBalancer`."""

    def __init__(self) -> None:
        self._credit: dict[Endpoint, int] = {}

    def select(self, endpoints: Sequence[Endpoint], request: Request, context: RequestContext) -> Endpoint:
        """The one whose turn it is. `endpoints` may be others than the last time."""
        # A debt or credit of those that are there is kept; of those that left nothing is.
        self._credit = {endpoint: self._credit.get(endpoint, 0) + endpoint.weight for endpoint in endpoints}
        chosen = max(endpoints, key=self._credit.__getitem__)
        self._credit[chosen] -= sum(endpoint.weight for endpoint in endpoints)
        return chosen
