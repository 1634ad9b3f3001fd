"""Laboratory: one service behind a whole gateway, in virtual time, and what became of each request.

Rule: `outcomes_of` sends requests that come independently of each other (a Poisson process), whether or not earlier
ones were answered; `outcomes_of_users` lets users wait for each answer. Arrivals and service times are seeded. The
service's middleware is the gateway's own, made for each run, because it keeps time by the run's clock.

What it does not do: model a network, unless it is told its delay (`waterfall.py` does).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeAlias

from api_gateway.backend.backend_service import BackendService
from api_gateway.backend.endpoint import Endpoint
from api_gateway.build import build_gateway
from api_gateway.core.clock import Clock
from api_gateway.core.middleware import Middleware
from api_gateway.simulation import (
    Constant,
    Experiment,
    FakeService,
    Fault,
    Outcome,
    ServiceTime,
    Steady,
    VirtualClock,
    closed_loop,
    open_loop,
    run,
)
from api_gateway.transport.in_process import InProcessTransport

MakeMiddleware: TypeAlias = Callable[[Clock], Sequence[Middleware]]

MANY = 1_000_000
"""So many workers that nobody waits for one."""

_URL = "in-process://service"


def nothing(_clock: Clock) -> Sequence[Middleware]:
    """No middleware."""
    return ()


def outcomes_of(
    service_time: ServiceTime | float,
    rate: float,
    seconds: float,
    *,
    workers: int = MANY,
    faults: Sequence[Fault] = (),
    middleware: MakeMiddleware = nothing,
    seed: int = 1,
) -> list[Outcome]:
    """An open loop: `rate` requests a second for so many seconds; in the order in which they were sent."""

    async def main() -> list[Outcome]:
        experiment = _before(_service(service_time, workers, faults, seed), middleware)
        await open_loop(Steady(rate), seconds, experiment.send, Random(f"arrivals {seed}"))
        return sorted(experiment.outcomes)

    return run(main)


def outcomes_of_users(
    service_time: ServiceTime | float,
    users: int,
    think: float,
    seconds: float,
    *,
    workers: int = MANY,
    faults: Sequence[Fault] = (),
    seed: int = 1,
) -> list[Outcome]:
    """A closed loop: each user waits for the answer, thinks for `think` seconds, and asks again."""

    async def main() -> list[Outcome]:
        experiment = _before(_service(service_time, workers, faults, seed), nothing)
        await closed_loop(users, Constant(think), seconds, experiment.send, Random(f"users {seed}"))
        return sorted(experiment.outcomes)

    return run(main)


def milliseconds(outcomes: Sequence[Outcome]) -> list[float]:
    """How long each took, shortest first."""
    return sorted(1000 * outcome.duration for outcome in outcomes)


def _service(service_time: ServiceTime | float, workers: int, faults: Sequence[Fault], seed: int) -> FakeService:
    return FakeService(service_time, workers=workers, faults=faults, random=Random(f"service {seed}"))


def _before(service: FakeService, middleware: MakeMiddleware) -> Experiment:
    clock = VirtualClock()
    transport = InProcessTransport({_URL: service})
    backend = BackendService("service", [Endpoint(_URL)], transport, middleware=middleware(clock), clock=clock)
    config = {"middleware": [], "routes": [{"path": "/*", "service": "service"}]}
    return Experiment(build_gateway(config, {"service": backend}, clock=clock, random=Random(1)))
