"""Laboratory: one service, one trigger, and whatever stands between the clients and the service.

Rule: `storm` builds a real gateway, with the real retry middleware, before a simulated service that does `CAPACITY`
requests a second; sends `load` of that, and makes the service ten times slower during `TRIGGER`. Everything is in
virtual time and seeded: two setups meet the same arrivals, and two runs are the same.

The service does not notice when a caller gives up: what has waited too long is served all the same, for nobody.

Unit: seconds from the start. A call is one try; a request is what a client wants, and may make several.

What it does not do: fail for another reason. Before and after the trigger nothing is wrong with the service.

Source: N. Bronson et al., "Metastable failures in distributed systems", HotOS 2021.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random
from typing import NamedTuple, TypeAlias

from api_gateway.backend.backend_service import BackendService
from api_gateway.backend.endpoint import Endpoint
from api_gateway.build import build_gateway
from api_gateway.core.api_gateway import ApiGateway
from api_gateway.core.clock import NANOSECONDS, Clock
from api_gateway.core.middleware import Middleware
from api_gateway.middleware.bulkhead import BulkheadMiddleware
from api_gateway.middleware.circuit_breaking import CircuitBreakingMiddleware
from api_gateway.middleware.retry import RetryMiddleware
from api_gateway.middleware.throttle import ThrottleMiddleware
from api_gateway.resilience import CircuitBreaker, CountWindow, RetryBudget
from api_gateway.resilience.adaptive_throttle import AdaptiveThrottle
from api_gateway.resilience.backoff import Backoff
from api_gateway.simulation import (
    Experiment,
    Exponential,
    FakeService,
    Fault,
    Outcome,
    Steady,
    VirtualClock,
    open_loop,
    run,
)
from api_gateway.simulation.impatient_transport import ImpatientTransport
from api_gateway.transport.in_process import InProcessTransport

CAPACITY = 100
"""Requests a second."""
TIMEOUT = 1.0
"""Seconds that each try waits."""
TRIGGER = (60.0, 70.0)
"""The service is slow between these seconds."""
SLOWER = 10
"""So many times."""
SERVICE_TIME = 0.1
"""Seconds on average, in health."""

_MILLISECOND = 1_000_000
_ENDING = 10  # seconds, which all tries of a request fit into
_URL = "in-process://s"

Guard: TypeAlias = Callable[[Clock, Random], Middleware]
"""Makes a middleware that stands between the retries and the service."""


class Setup(NamedTuple):
    """How clients and service are configured; without anything, retries alone."""

    retries: int = 3
    """How often a request may be tried again."""
    budget: float | None = None
    """Retries as a share of requests; None for as many as requests may have."""
    guard: Guard | None = None
    """What stands between the retries and the service."""
    queue: int | None = None
    """How many may wait at the service; None for any number."""
    notices_departures: bool = False
    """Whether the service leaves out those whose caller has gone."""


class Storm(NamedTuple):
    """What became of it."""

    load: float
    """What clients want, as a share of the capacity."""
    seconds: float
    """How long they wanted it."""
    outcomes: Sequence[Outcome]
    """One for each request, in the order in which they were sent."""
    calls: Sequence[int]
    """How many tries reached the service in each second."""
    queued: Sequence[int]
    """How many waited there at the end of each second."""

    def sent(self) -> list[int]:
        """Requests of clients in each second."""
        return self._by_second(Counter(int(outcome.sent) for outcome in self.outcomes))

    def useful(self) -> list[int]:
        """Good answers that clients got in each second."""
        return self._by_second(Counter(int(each.sent + each.duration) for each in self.outcomes if each.status == 200))

    def goodput(self, start: float, end: float) -> float:
        """Good answers a second, on average, between two seconds."""
        return sum(self.useful()[int(start) : int(end)]) / (end - start)

    def amplification(self, start: float, end: float) -> float:
        """Calls for each request between two seconds."""
        return sum(self.calls[int(start) : int(end)]) / sum(self.sent()[int(start) : int(end)])

    def failed(self) -> int:
        """Requests without a good answer."""
        return sum(outcome.status != 200 for outcome in self.outcomes)

    def recovered(self) -> float | None:
        """From which second on most requests get a good answer, for good; None for never.

        The last seconds do not count: when clients stop asking, any storm ends.
        """
        good = Counter(int(outcome.sent) for outcome in self.outcomes if outcome.status == 200)
        bad = [second for second, number in enumerate(self.sent()) if 2 * good[second] < number]
        last = max(bad, default=-1) + 1
        return None if last > self.seconds - _ENDING else max(float(last), TRIGGER[1])

    def _by_second(self, counts: Counter[int]) -> list[int]:
        return [counts[second] for second in range(round(self.seconds))]


def storm(setup: Setup, load: float = 0.7, seconds: float = 130, *, seed: int = 1) -> Storm:
    """Send `load` of the capacity for so many seconds, with the trigger among them.

    Args:
        setup: who retries how, and what is done about it.
        load: share of the capacity that clients want.
        seconds: how long.
        seed: of everything that is drawn.
    """

    async def main() -> Storm:
        fault = Fault("slow", *TRIGGER, factor=SLOWER)
        service = service_of(setup, CAPACITY, fault, Random(f"service {seed}"))
        experiment = Experiment(gateway_before(service, setup, Random(f"gateway {seed}")))
        experiment.watch("calls", lambda: service.arrived)
        experiment.watch("queued", lambda: service.queued)
        async with experiment.sampling(1.0):
            await open_loop(Steady(load * CAPACITY), seconds, experiment.send, Random(f"arrivals {seed}"))
        arrived = [int(value) for _, value in experiment.series["calls"]]
        queued = [int(value) for _, value in experiment.series["queued"]][1:]
        calls = [after - before for before, after in pairwise(arrived)]
        whole = min(round(seconds), len(calls))
        return Storm(load, whole, sorted(experiment.outcomes), calls[:whole], queued[:whole])

    return run(main)


def service_of(setup: Setup, capacity: float, fault: Fault, random: Random) -> FakeService:
    """A service that does so many requests a second in health."""
    return FakeService(
        Exponential(SERVICE_TIME),
        workers=round(capacity * SERVICE_TIME),
        queue=setup.queue,
        faults=[fault],
        notices_departures=setup.notices_departures,
        random=random,
    )


def gateway_before(service: FakeService, setup: Setup, random: Random) -> ApiGateway:
    """The gateway, as `setup` says."""
    clock = VirtualClock()
    budget = None if setup.budget is None else RetryBudget(setup.budget)
    backoff = Backoff(25 * _MILLISECOND, 250 * _MILLISECOND, random)
    middleware: list[Middleware] = [RetryMiddleware(1 + setup.retries, backoff, budget, clock=clock)]
    if setup.guard is not None:
        middleware.append(setup.guard(clock, random))
    transport = ImpatientTransport(InProcessTransport({_URL: service}), TIMEOUT)
    behind = BackendService("s", [Endpoint(_URL)], transport, middleware=middleware, clock=clock)
    config = {"middleware": [], "routes": [{"path": "/*", "service": "s"}]}
    return build_gateway(config, {"s": behind}, clock=clock, random=random)


def breaker(clock: Clock, random: Random) -> Middleware:
    """A circuit breaker: half of the last 20 calls, open for 5 s, 5 probes."""
    circuit = CircuitBreaker(
        CountWindow(20), min_calls=10, failure_rate=0.5, open_for=5 * NANOSECONDS, half_open_calls=5
    )
    return CircuitBreakingMiddleware("s", circuit, clock=clock)


def throttle(clock: Clock, random: Random) -> Middleware:
    """A client-side throttle: twice what is accepted, over 10 s."""
    adaptive = AdaptiveThrottle(2.0, window=10 * NANOSECONDS, buckets=10)
    return ThrottleMiddleware("s", adaptive, random=random, clock=clock)


def places(limit: int) -> Guard:
    """A bulkhead: so many calls at once, and nobody waits."""
    return lambda clock, _: BulkheadMiddleware(limit, name="s", clock=clock)
