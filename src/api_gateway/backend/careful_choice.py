"""Careful choice: an endpoint that was not asked for this request yet, and is not still too cold.

Rule: the balancer chooses among the usable endpoints. Its choice is passed over if this request has been there
(`context.tried`; without that, the last one), or if slow start does not keep it. Then it chooses again, a few times;
if it insists, as consistent hash must, the less busy of two others is taken, in rotation. If the request has been
everywhere, only the last endpoint is passed over.
Bound: a second attempt goes elsewhere whenever a second endpoint is usable. Slow start asks once for each endpoint
and request, so a balancer that offers the same idle endpoint again and again does not wear it down.
Cost: 0.5 us beyond the balancer's own, 1.5 while somebody warms up. It stands beside the usual way, not in it:
`BackendService` comes here only for further attempts, and while somebody is ejected or warming up.

What it does not do: decide whether there is another attempt (`middleware/retry.py`, `middleware/hedge.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.healthy_endpoints import HealthyEndpoints
from api_gateway.backend.load_balancer import LoadBalancer
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext

CHOICES = 3
"""How often the balancer is asked for one request."""


class CarefulChoice:
    """Chooses by a balancer, with second thoughts."""

    __slots__ = ("_turn", "balancer", "pool")

    def __init__(self, pool: HealthyEndpoints, balancer: LoadBalancer) -> None:
        """`pool` knows who is usable."""
        self.pool = pool
        self.balancer = balancer
        self._turn = 0

    def choose(self, request: Request, context: RequestContext, now: int) -> Endpoint | None:
        """An endpoint; None if nobody is usable."""
        endpoints = self.pool.refresh(now)
        if len(endpoints) < 2:
            return endpoints[0] if endpoints else None
        been = _been(endpoints, context) if context.attempts else ()
        passed_over: list[Endpoint] = []
        for _ in range(CHOICES):
            endpoint = self.balancer.select(endpoints, request, context)
            if endpoint in passed_over:
                continue
            if endpoint.url not in been and self.pool.admits(endpoint, now):
                return endpoint
            passed_over.append(endpoint)
        return self._another(endpoints, passed_over, been)

    def _another(
        self, endpoints: Sequence[Endpoint], passed_over: Sequence[Endpoint], been: Collection[str]
    ) -> Endpoint:
        """The less busy of the next two that nothing was said against; else whoever was only too cold."""
        found: list[Endpoint] = []
        begin = self._turn + 1
        for place in range(begin, begin + len(endpoints)):
            endpoint = endpoints[place % len(endpoints)]
            if endpoint.url in been or endpoint in passed_over:
                continue
            if not found:
                self._turn = place % len(endpoints)  # behind the taken one: a gap must not favour who stands after it
            found.append(endpoint)
            if len(found) == 2:
                break
        if not found:
            found = [endpoint for endpoint in passed_over if endpoint.url not in been] or list(endpoints)
        return min(found, key=lambda endpoint: endpoint.in_flight / endpoint.weight)


def _been(endpoints: Sequence[Endpoint], context: RequestContext) -> Collection[str]:
    """Where this request should not go again."""
    tried = context.tried
    if tried and (len(tried) < len(endpoints) or any(endpoint.url not in tried for endpoint in endpoints)):
        return tried
    return (context.endpoint,)
