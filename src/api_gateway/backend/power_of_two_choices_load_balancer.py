"""Power of two choices: draw two, take the less busy.

Rule: two different endpoints at random; whichever has fewer requests in flight for its weight gets the
request, the first one drawn if they are equal.
Bound: n requests over n endpoints give the unluckiest ln ln n / ln 2 + O(1): 3 or 4 of 100,000, where one
draw gives 8 or 9. With queues and load rho the share of endpoints with at least k requests falls as
rho^(2^k - 1), doubly exponentially, where one draw gives rho^k: at 0.9 a request takes 2.6 service
times instead of 10. A third choice adds little: the first step is the whole power.
Cost: O(1), no state.

Why not the least busy of all? Looking at all is dearer, and many gateways that see the same idle endpoint
send to it all at once (herding); a draw spreads them.

Wrong choice: where an endpoint fails *fast*: it always has little in flight, so it draws more than its
share (outlier detection is for that); where a key must find its way back (`consistent_hash`).

Source: M. Mitzenmacher, "The power of two choices in randomized load balancing", IEEE Transactions on Parallel
and Distributed Systems 12(10), 2001; Azar et al., "Balanced allocations", SIAM J. Computing 29(1), 1999.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.load_balancer import loads
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.xray.facts import Facts


class PowerOfTwoChoicesLoadBalancer:
    """Takes the less busy of two."""

    __slots__ = ("_random",)

    def __init__(self, random: Random) -> None:
        """`random` draws; the same seed gives the same draws."""
        self._random = random

    def select(self, endpoints: Sequence[Endpoint], request: Request, context: RequestContext) -> Endpoint:
        """The less busy of two that are drawn; the only one, if there is but one."""
        if len(endpoints) == 1:
            return endpoints[0]
        one, two = draw_two(endpoints, self._random)
        # One fraction against the other, without dividing: in_flight / weight.
        return one if one.in_flight * two.weight <= two.in_flight * one.weight else two

    def state_for(self, endpoints: Sequence[Endpoint], request: Request, context: RequestContext) -> Facts:
        """The load of each; of two that are drawn, the lower is chosen."""
        return loads(endpoints)


def draw_two(endpoints: Sequence[Endpoint], random: Random) -> tuple[Endpoint, Endpoint]:
    """Two different ones of at least two, every pair with the same probability."""
    first = int(random.random() * len(endpoints))
    second = int(random.random() * (len(endpoints) - 1))
    return endpoints[first], endpoints[second + (second >= first)]
