"""Weighted round robin, smooth: turns in proportion to weights, and spread out.

    weights a 5, b 1, c 1:    a a b a c a a      and not   a a a a a b c

Rule: in each turn everybody's credit grows by its weight; the highest credit wins (the first in the list,
if equal) and pays the sum of the weights.
Bound: with fixed weights the sequence repeats after as many turns as the sum W of the weights, and any W
turns in a row give each endpoint exactly its weight. At no time has one had a whole turn more than its
share: after n turns, fewer than n * weight / W + 1.
Cost: O(n) a choice, because every credit grows; one integer for each endpoint. About 0.1 us each.

Change: an endpoint that appears starts without credit, so it gets no burst; of one that vanishes
nothing is kept. When the weights change, no credit or debt remains that is worth more than one round
of the new ones: a debt of thousands would shut an endpoint out for thousands of turns.

Wrong choice: where the weights are guesses, or speeds change. It does not notice that an endpoint is slow.

Source: I. Sysoev, "Upstream: smooth weighted round-robin balancing", nginx 1.3.1, 2012.
"""

from __future__ import annotations

from collections.abc import Sequence

from api_gateway.backend.endpoint import Endpoint
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext


class WeightedRoundRobinLoadBalancer:
    """Takes endpoints in turn, by weight."""

    __slots__ = ("_credits", "_members", "_total")

    def __init__(self) -> None:
        self._credits: dict[Endpoint, int] = {}
        self._members: Sequence[Endpoint] = ()
        self._total = 0

    def select(self, endpoints: Sequence[Endpoint], request: Request, context: RequestContext) -> Endpoint:
        """The endpoint with the highest credit."""
        if endpoints is not self._members:
            self._members = endpoints
            self._credits = {endpoint: self._credits.get(endpoint, 0) for endpoint in endpoints}
        total = sum([endpoint.weight for endpoint in endpoints])
        if total != self._total:
            self._total = total
            self._forget_more_than(total)
        credit_of = self._credits
        chosen = endpoints[0]
        highest = -2 * total
        for endpoint in endpoints:
            credit = credit_of[endpoint] = credit_of[endpoint] + endpoint.weight
            if credit > highest:
                chosen, highest = endpoint, credit
        credit_of[chosen] = highest - total
        return chosen

    def _forget_more_than(self, total: int) -> None:
        for endpoint, credit in self._credits.items():
            self._credits[endpoint] = min(total, max(-total, credit))
