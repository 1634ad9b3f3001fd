"""Peak EWMA: of two, whoever has been faster of late, counting what it still has to do.

Rule: an endpoint's cost is a moving average of the time to its answers that jumps up at once and comes down
slowly: a duration above the average becomes the average; one below pulls it down by the share
1 - e^(-dt / decay). Load is cost * (in flight + 1): how long one more would take. Two are drawn, the
lower load gets the request.
Bound: a peak is forgotten to 37 % after one `decay`, to 1 % after 4.6, even if nobody asks in between; so an
endpoint that was slow once is always tried again. One that never answered yet gets a request, and while
that is out no other, unless it is drawn with another such.
Cost: O(1); a float and a time for each endpoint, which die with it.

A failure is no latency. An endpoint that refuses in a millisecond would be the fastest of all and swallow the
traffic, so a failure counts as `penalty` at least, and so does an answer from 500 on. A request that nobody
waited for (a deadline, a client that left) took *at least* as long as it took: it can raise the cost, not lower it.

Wrong choice: where requests differ much by nature: whoever got the report that takes a minute is not slow. Where
all endpoints are alike in speed, two choices do the same for less.

What it does not do: go by weights. It measures what weights guess at.

Source: Finagle's `PeakEwma` (Twitter). The penalty for failures is ours: Finagle leaves them to its failure accrual.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from weakref import WeakKeyDictionary

from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.load_balancer import Outcome
from api_gateway.backend.power_of_two_choices_load_balancer import draw_two
from api_gateway.core.clock import NANOSECONDS, Clock
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.xray.facts import Fact, Facts, duration

_UNTRIED = float(2**80)  # a load above all that can be measured; more than one probe at once is not wanted


class PeakEwma:
    """The average itself: pure, times in nanoseconds."""

    __slots__ = ("_cost", "_decay", "_updated")

    def __init__(self, decay: int) -> None:
        """`decay` is the time in which a peak falls to 1 / e."""
        self._decay = decay
        self._cost = 0.0
        self._updated = 0

    def cost(self, now: int) -> float:
        """The average; 0 before the first observation."""
        return self._cost * math.exp(-max(0, now - self._updated) / self._decay)

    def load(self, now: int, in_flight: int) -> float:
        """How long one more request would take, with so many before it."""
        cost = self.cost(now)
        if cost == 0.0 and in_flight:
            return _UNTRIED + in_flight
        return cost * (in_flight + 1)

    def observe(self, duration: int, now: int) -> None:
        """An answer took this long."""
        kept = math.exp(-max(0, now - self._updated) / self._decay)
        decayed = self._cost * kept
        self._cost = duration if duration > decayed else decayed + duration * (1 - kept)
        self._updated = now

    def observe_at_least(self, duration: int, now: int) -> None:
        """An answer would have taken this long, or longer."""
        self._cost = max(float(duration), self.cost(now))
        self._updated = now


class PeakEwmaLoadBalancer:
    """Takes the one of two that will answer sooner, by what is known."""

    __slots__ = ("_averages", "_clock", "_decay", "_penalty", "_random")

    def __init__(self, clock: Clock, random: Random, *, decay: float = 10.0, penalty: float = 5.0) -> None:
        """Know nothing yet.

        Args:
            clock: tells when; the same as the service's.
            random: draws; the same seed gives the same draws.
            decay: seconds in which a peak falls to 1 / e.
            penalty: seconds that a failure counts as, unless it took longer.
        """
        self._clock = clock
        self._random = random
        self._decay = round(decay * NANOSECONDS)
        self._penalty = round(penalty * NANOSECONDS)
        self._averages: WeakKeyDictionary[Endpoint, PeakEwma] = WeakKeyDictionary()

    def select(self, endpoints: Sequence[Endpoint], request: Request, context: RequestContext) -> Endpoint:
        """The one of two with the lower load; the only one, if there is but one."""
        if len(endpoints) == 1:
            return endpoints[0]
        one, two = draw_two(endpoints, self._random)
        now = self._clock.monotonic()
        return one if self._load(one, now) <= self._load(two, now) else two

    def state_for(self, endpoints: Sequence[Endpoint], request: Request, context: RequestContext) -> Facts:
        """The load of each, and the average that it comes from; of two that are drawn, the lower load is chosen."""
        now = self._clock.monotonic()
        average: dict[str, Fact] = {}
        load: dict[str, Fact] = {}
        for endpoint in endpoints:
            known = self._averages.get(endpoint)
            if known is None or known.cost(now) == 0.0:
                average[endpoint.url] = load[endpoint.url] = "no answer yet"
            else:
                average[endpoint.url] = duration(known.cost(now))
                load[endpoint.url] = duration(known.load(now, endpoint.in_flight))
        return {"average": average, "load": load}

    def learn(self, endpoint: Endpoint, duration: int, outcome: Outcome) -> None:
        """See `LearningLoadBalancer`."""
        average = self._average(endpoint)
        now = self._clock.monotonic()
        if outcome == "answered":
            average.observe(duration, now)
        elif outcome == "abandoned":
            average.observe_at_least(duration, now)
        else:
            average.observe_at_least(max(duration, self._penalty), now)

    def _load(self, endpoint: Endpoint, now: int) -> float:
        return self._average(endpoint).load(now, endpoint.in_flight)

    def _average(self, endpoint: Endpoint) -> PeakEwma:
        average = self._averages.get(endpoint)
        if average is None:
            average = self._averages[endpoint] = PeakEwma(self._decay)
        return average
