"""LoadBalancer: who gets the next request.

Rule: pure choice. A balancer is given the endpoints that may be used now, never empty, and the
request; it picks one. Load (what an endpoint has to do) is kept by `Endpoint`; balancing (who
gets more) is decided here. The seam is one method, so each policy is one small file.

A sequence of endpoints does not change once it was given: whoever adds or removes one makes another
sequence. So a balancer that prepares something (a hash ring, a heap) sees by `is` whether it still
holds, and keeps state only for those that are there.

| policy                | knows           | a choice costs    | takes weights | right where                      |
|-----------------------|-----------------|-------------------|---------------|----------------------------------|
| round_robin           | whose turn it is| O(1)              | no            | all are alike, so are requests   |
| weighted_round_robin  | whose turn it is| O(k + log n)      | yes           | some are bigger, and it is known |
| random                | nothing         | O(1)              | no            | nothing is known; many gateways  |
| least_connections     | all in flight   | O(log n)          | yes           | one gateway; requests that differ|
| power_of_two_choices  | two in flight   | O(1)              | yes           | the default for many gateways    |
| peak_ewma             | two latencies   | O(1)              | no            | speeds differ, and change        |
| consistent_hash       | a key           | O(log n) and walk | yes           | endpoints that hold caches       |

What it does not do: check health, count, connect, or keep a list of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from api_gateway.backend.endpoint import Endpoint
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.xray.facts import Facts

Outcome: TypeAlias = Literal["answered", "failed", "abandoned"]
"""`failed`: no usable answer, or a status from 500 on. `abandoned`: nobody waited to the end of it."""


class LoadBalancer(Protocol):
    """Picks an endpoint."""

    def select(self, endpoints: Sequence[Endpoint], request: Request, context: RequestContext) -> Endpoint:
        """One of `endpoints`, of which there is at least one; the sequence never changes."""
        ...


@runtime_checkable
class LearningLoadBalancer(LoadBalancer, Protocol):
    """Picks by what became of earlier requests, and is told."""

    def learn(self, endpoint: Endpoint, duration: int, outcome: Outcome) -> None:
        """A request to `endpoint` took `duration` nanoseconds to the head of its answer, or to its failure."""
        ...


@runtime_checkable
class ExplainableLoadBalancer(LoadBalancer, Protocol):
    """Can say by what it picks."""

    def state_for(self, endpoints: Sequence[Endpoint], request: Request, context: RequestContext) -> Facts:
        """What it knows of `endpoints` now, such as whose turn it is; asking changes nothing."""
        ...


def loads(endpoints: Sequence[Endpoint]) -> Facts:
    """What each has in flight for each unit of its weight, by which several policies go."""
    return {"load": {endpoint.url: round(endpoint.in_flight / endpoint.weight, 3) for endpoint in endpoints}}
