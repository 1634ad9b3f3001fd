"""Endpoints for balancers to choose from, and a way to try a balancer in the laboratory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from api_gateway import build_gateway
from api_gateway.backend.backend_service import BackendService
from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.load_balancer import LoadBalancer
from api_gateway.core.clock import Clock
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.simulation import (
    Experiment,
    Exponential,
    FakeService,
    Fault,
    Steady,
    VirtualClock,
    open_loop,
    run,
)
from api_gateway.transport.in_process import InProcessTransport

REQUEST = Request("GET", "/")
CONTEXT = RequestContext()

MakeLoadBalancer = Callable[[Clock, Random], LoadBalancer]


def endpoints(*weights: int) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(f"http://e{number}", weight) for number, weight in enumerate(weights))


def of_one_weight(count: int) -> tuple[Endpoint, ...]:
    return endpoints(*[1] * count)


def chosen(balancer: LoadBalancer, members: Sequence[Endpoint]) -> Endpoint:
    return balancer.select(members, REQUEST, CONTEXT)


def fullest_bin(balancer: LoadBalancer, count: int) -> int:
    """Balls in bins: as many requests as endpoints, none of which ever ends; the highest count."""
    members = of_one_weight(count)
    for _ in range(count):
        chosen(balancer, members).acquire()
    return max(member.in_flight for member in members)


def in_the_laboratory(
    make: MakeLoadBalancer,
    service_times: Sequence[float],
    rate: float,
    requests: int,
    *,
    faults: dict[int, list[Fault]] | None = None,
    seed: int = 1,
) -> tuple[Experiment, BackendService]:
    """Poisson arrivals at servers of one worker each, with exponential service times of these means."""

    async def main() -> tuple[Experiment, BackendService]:
        clock = VirtualClock()
        handlers = {
            f"in-process://s/{number}": FakeService(
                Exponential(mean), faults=(faults or {}).get(number, []), random=Random(seed * 1000 + number)
            )
            for number, mean in enumerate(service_times)
        }
        members = [Endpoint(url) for url in handlers]
        service = BackendService("s", members, InProcessTransport(handlers), make(clock, Random(seed + 1)), clock=clock)
        config = {"middleware": [], "routes": [{"path": "/*", "service": "s"}]}
        gateway = build_gateway(config, {"s": service}, clock=clock, random=Random(seed + 2))
        experiment = Experiment(gateway)
        async with gateway:
            await open_loop(Steady(rate), requests / rate, experiment.send, Random(seed))
        return experiment, service

    return run(main)
