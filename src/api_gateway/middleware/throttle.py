"""Throttle: refuse here what an overloaded service would refuse there.

Rule: `AdaptiveThrottle` decides, before the service is asked; refused is 503, flag OM. The service is told apart
from the way to it by how the call ends:

| the call ends with                                     | the service has                               |
|--------------------------------------------------------|-----------------------------------------------|
| an answer, but 429 and 503: a 404 and a 500 too        | accepted it: it did its work, well or not     |
| 429 or 503                                             | refused it                                    |
| `UpstreamError`: no connection, no answer in time      | not accepted it                               |
| `Overloaded` from a limit further in                   | not accepted it: it is too slow for more      |
| the deadline, with the service asked (`timed_out.py`)  | not accepted it                               |
| anything else: an open circuit, a client that left     | not been heard: it counts as nothing          |

An open circuit counts as nothing because two mechanisms must not punish the same failure twice: the breaker
knows when to ask again, and whoever had counted its refusals would go on refusing for a window after it closed.

Which one: the breaker is for a service that fails, and then asks nothing for a while; the throttle is for one
that works as fast as it can while more is asked of it, and sends just that much and a little more.

Cost: about 2 us.

What it does not do: wait, choose whom to refuse (`priority` is load shedding's), or say when to come back:
it is a matter of chance, and the next request may pass.

Source: Site Reliability Engineering, 2016, ch. 21, "Client-Side Throttling".
"""

from __future__ import annotations

from random import Random

from api_gateway.core.clock import Clock, SystemClock
from api_gateway.core.errors import Overloaded
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import UpstreamError
from api_gateway.core.xray.facts import Facts
from api_gateway.middleware.timed_out import timed_out
from api_gateway.resilience.adaptive_throttle import AdaptiveThrottle

REFUSALS = frozenset({429, 503})
"""Statuses by which a service says that it has not done the work."""


class ThrottleMiddleware:
    """Throttles the calls to one service."""

    __slots__ = ("_clock", "_random", "_throttle", "refused", "service")

    service: str
    """Whom it spares, for messages."""
    refused: int
    """How many calls were not sent."""

    def __init__(
        self, service: str, throttle: AdaptiveThrottle, *, random: Random | None = None, clock: Clock | None = None
    ) -> None:
        """`throttle` is this service's alone; `random` draws who is refused."""
        self.service = service
        self.refused = 0
        self._throttle = throttle
        self._random = random or Random()
        self._clock = clock or SystemClock()

    @property
    def refusal_probability(self) -> float:
        """How likely the next request is refused."""
        return self._throttle.refusal_probability(self._clock.monotonic())

    async def state_for(self, request: Request, context: RequestContext) -> Facts:
        """How likely it is refused, and what of the window that comes from."""
        now = self._clock.monotonic()
        requests, accepts = self._throttle.counts(now)
        return {
            "requests": requests,
            "accepted": accepts,
            "requests for one accepted": self._throttle.k,
            "refusal probability": round(self._throttle.refusal_probability(now), 3),
        }

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Ask, or refuse by chance.

        Raises:
            Overloaded: this request is not sent.
        """
        if not self._throttle.admit(self._clock.monotonic(), self._random.random()):
            self.refused += 1
            raise Overloaded(f"service {self.service} refuses too much; this request was not sent to it")
        attempts = context.attempts
        try:
            response = await call_next(request, context)
        except BaseException as error:
            now = self._clock.monotonic()
            if isinstance(error, UpstreamError | Overloaded) or timed_out(error, context, attempts, now):
                self._throttle.record(now, accepted=False)
            raise
        self._throttle.record(self._clock.monotonic(), accepted=response.status not in REFUSALS)
        return response
