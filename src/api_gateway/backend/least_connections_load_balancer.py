"""Least connections: whoever has the fewest requests in flight.

Rule: the lowest `in_flight / weight` of all; of equals, the one that was chosen longest ago. "Connections" is
the field's old word: counted are requests, from sending to the end of the answer.
Bound: exact. No endpoint has less to do than the chosen one. With endpoints of one speed it comes as near
as choosing at arrival can come to a single queue for all (M/M/n); a slow endpoint fills up to the level of
the others and then gets no more than it finishes.
Cost: O(log n) a choice, O(1) for a request that ends, both amortised; a heap of at most 2 n + 16 entries.

How: a heap holds for each endpoint a load that is not higher than its real one. A request that begins makes it
too low, which is seen and corrected when the entry comes to the top. One that ends would make it too high, so
the endpoint says so and is entered anew. Hence an entry at the top that is right is the least of all.

Wrong choice: with many gateways, each of which sees only its own requests: all send to the same idle endpoint at
once, where two random choices spread. And an endpoint that fails *fast* has always the least to do: without
outlier detection it swallows the traffic.

What it does not do: weigh requests. Ten cheap ones in flight count more than one that takes an hour.

Source: the Linux Virtual Server's and HAProxy's `leastconn`; W. Winston, "Optimality of the shortest line
discipline", J. Applied Probability 14(1), 1977.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from api_gateway.backend.endpoint import Endpoint, watch_instead
from api_gateway.backend.load_balancer import loads
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.xray.facts import Facts

_SLACK = 16  # outdated entries beyond one for each endpoint: fewer are not worth a new heap


class LeastConnectionsLoadBalancer:
    """Takes the least busy of all."""

    __slots__ = ("_entered", "_heap", "_members", "_turn")

    def __init__(self) -> None:
        self._members: Sequence[Endpoint] = ()
        self._entered: dict[Endpoint, tuple[float, int]] = {}  # load and turn, as they stand in the valid entry
        self._heap: list[tuple[float, int, Endpoint]] = []
        self._turn = 0

    def select(self, endpoints: Sequence[Endpoint], request: Request, context: RequestContext) -> Endpoint:
        """The one with the lowest load; the longest unchosen of equals."""
        if endpoints is not self._members:
            self._change_members(endpoints)
        heap, entered = self._heap, self._entered
        while True:
            load, turn, endpoint = heap[0]
            if entered[endpoint] != (load, turn):
                heapq.heappop(heap)
                continue
            actual = endpoint.in_flight / endpoint.weight
            # Entered anew in either case: with the load it has, or behind its equals.
            self._turn += 1
            entered[endpoint] = (actual, self._turn)
            heapq.heapreplace(heap, (actual, self._turn, endpoint))
            if actual == load:
                return endpoint

    def state_for(self, endpoints: Sequence[Endpoint], request: Request, context: RequestContext) -> Facts:
        """The load of each, and who is next: of those with the lowest, the one that waits longest."""
        entered = self._entered if endpoints is self._members else {}

        def place(endpoint: Endpoint) -> tuple[float, bool, tuple[float, int]]:
            load = endpoint.in_flight / endpoint.weight
            turn = self._entered.get(endpoint, (0, self._turn))[1]
            known = entered.get(endpoint, (load, turn))
            return load, known[0] != load, known  # an entry that is too low is put behind its equals first

        return {"next": min(endpoints, key=place).url, **loads(endpoints)}

    def _change_members(self, endpoints: Sequence[Endpoint]) -> None:
        watch_instead(self._load_changed, self._members, endpoints)
        self._members = endpoints
        before, self._entered = self._entered, {}
        for endpoint in endpoints:
            _, turn = before.get(endpoint, (0, self._turn))
            self._entered[endpoint] = (endpoint.in_flight / endpoint.weight, turn)
        self._rebuild()

    def _rebuild(self) -> None:
        # Places in the list keep two entries of one load and one turn from comparing their endpoints.
        self._turn += len(self._entered)
        entries = sorted(self._entered.items(), key=lambda item: item[1][1])
        first = self._turn - len(entries) + 1
        self._entered = {endpoint: (load, first + place) for place, (endpoint, (load, _)) in enumerate(entries)}
        self._heap = [(load, turn, endpoint) for endpoint, (load, turn) in self._entered.items()]
        heapq.heapify(self._heap)

    def _load_changed(self, endpoint: Endpoint, change: int) -> None:
        actual = endpoint.in_flight / endpoint.weight
        if actual >= self._entered[endpoint][0]:
            return
        self._turn += 1
        self._entered[endpoint] = (actual, self._turn)
        heapq.heappush(self._heap, (actual, self._turn, endpoint))
        if len(self._heap) > 2 * len(self._entered) + _SLACK:
            self._rebuild()
