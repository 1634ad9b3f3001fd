"""Weighted round robin, smooth: turns in proportion to weights, and spread out.

    weights a 5, b 1, c 1:    a a b a c a a      and not   a a a a a b c

Rule: in each turn everybody's credit grows by its weight; the highest credit wins (the first in the list,
if equal) and pays the sum of the weights.
Bound: with fixed weights the sequence repeats after as many turns as the sum W of the weights, and any W
turns in a row give each endpoint exactly its weight. At no time has one had a whole turn more than its
share: after n turns, fewer than n * weight / W + 1.
Cost: O(k + log n) a choice for n endpoints of k different weights; O(n) when they change. Nobody's credit is
written down in each turn: it is the turn's number times the weight, less what was paid. So among endpoints of one
weight the one that has paid least is always next, and only those k have to be compared. Asking all of a
thousand for their credit, as the rule reads, takes 90 us.

Change: weights are read when the endpoints change, so whoever changes one assigns them anew. An endpoint that
appears starts without credit, so it gets no burst; of one that vanishes nothing is kept. When the weights change,
no credit or debt remains that is worth more than one round of the new ones: a debt of thousands would shut an
endpoint out for thousands of turns.

Wrong choice: where the weights are guesses, or speeds change. It does not notice that an endpoint is slow.

Source: I. Sysoev, "Upstream: smooth weighted round-robin balancing", nginx 1.3.1, 2012.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from heapq import heapify, heapreplace

from api_gateway.backend.endpoint import Endpoint
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.xray.facts import Facts


class WeightedRoundRobinLoadBalancer:
    """Takes endpoints in turn, by weight."""

    __slots__ = ("_lines", "_members", "_total", "_turn")

    def __init__(self) -> None:
        self._members: Sequence[Endpoint] = ()
        self._total = 0
        self._turn = 0
        # For each weight a heap of what its endpoints have paid, and their places in `_members`.
        self._lines: list[tuple[int, list[tuple[int, int]]]] = []

    @property
    def credits(self) -> Mapping[Endpoint, int]:
        """What each endpoint has, to look at."""
        return {
            self._members[place]: self._turn * weight - paid for weight, line in self._lines for paid, place in line
        }

    def select(self, endpoints: Sequence[Endpoint], request: Request, context: RequestContext) -> Endpoint:
        """The endpoint with the highest credit."""
        if endpoints is not self._members:
            self._change_to(endpoints)
        turn = self._turn = self._turn + 1
        highest, first, winners = -3 * self._total, 0, self._lines[0][1]
        for weight, line in self._lines:
            paid, place = line[0]
            credit = turn * weight - paid
            if credit > highest or (credit == highest and place < first):
                highest, first, winners = credit, place, line
        paid, place = winners[0]
        heapreplace(winners, (paid + self._total, place))
        return endpoints[place]

    def state_for(self, endpoints: Sequence[Endpoint], request: Request, context: RequestContext) -> Facts:
        """The credits as the next turn begins, and who wins it."""
        have = self.credits if endpoints is self._members else self._credits_after_change_to(endpoints)
        # The first of the highest: `max` keeps it, as the rule does.
        winner = max(endpoints, key=lambda endpoint: have[endpoint] + endpoint.weight)
        return {"next": winner.url, "credits": {endpoint.url: have[endpoint] for endpoint in endpoints}}

    def _credits_after_change_to(self, endpoints: Sequence[Endpoint]) -> Mapping[Endpoint, int]:
        """What each would have: nobody more credit or debt than one round of the new weights is worth."""
        before = self.credits
        total = sum(endpoint.weight for endpoint in endpoints)
        return {endpoint: min(total, max(-total, before.get(endpoint, 0))) for endpoint in endpoints}

    def _change_to(self, endpoints: Sequence[Endpoint]) -> None:
        have = self._credits_after_change_to(endpoints)
        self._members, self._turn = endpoints, 0
        self._total = sum(endpoint.weight for endpoint in endpoints)
        lines: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for place, endpoint in enumerate(endpoints):
            lines[endpoint.weight].append((-have[endpoint], place))
        for line in lines.values():
            heapify(line)
        self._lines = list(lines.items())
