"""Random: a draw.

Rule: each endpoint with the same probability, whatever went before.
Bound: n requests over n endpoints give the unluckiest about ln n / ln ln n of them: 8 or 9 of 100,000.
The mean is fair, the maximum is not. With a queue at each endpoint and load rho everybody waits as
before a single one: 1 / (1 - rho) service times in all, 10 at 0.9.
Cost: O(1), no state.

Wrong choice: where anything better can be had. It is here to be compared with, and for one good property:
many gateways that know nothing of each other never fall into step, as round robin can.

What it does not do: go by weight or by load. Looking at one endpoint more is all it takes
(`power_of_two_choices_load_balancer.py`).

Source: M. Raab and A. Steger, "Balls into bins: a simple and tight analysis", RANDOM 1998.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from api_gateway.backend.endpoint import Endpoint
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext


class RandomLoadBalancer:
    """Draws an endpoint."""

    __slots__ = ("_random",)

    def __init__(self, random: Random) -> None:
        """`random` draws; the same seed gives the same choices."""
        self._random = random

    def select(self, endpoints: Sequence[Endpoint], request: Request, context: RequestContext) -> Endpoint:
        """Any of them."""
        # Cheaper than `choice`, and the same sequence in every version of Python.
        return endpoints[int(self._random.random() * len(endpoints))]
