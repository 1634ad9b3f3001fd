"""Cascade: one of two services becomes slow, and the clients of the other one suffer.

Rule: the gateway can hold so many requests at a time, whomever they are for. That is modelled by the bulkhead that
stands before all routes. (In production it is sockets, memory, or the threads of a pool.) A request holds its place
until it is answered, so by Little's law a service that takes `factor` times as long holds `factor` times as many.

Protections stand around the slow service alone: a timeout, a breaker, a bulkhead of its own; in this order.

What it does not do: queue before the gateway. Who finds no place is refused at once, with the flag OM.
"""

from __future__ import annotations

from collections.abc import Collection
from random import Random
from typing import NamedTuple

from api_gateway.backend.backend_service import BackendService
from api_gateway.backend.endpoint import Endpoint
from api_gateway.core.api_gateway import ApiGateway
from api_gateway.core.clock import Clock
from api_gateway.core.middleware import Middleware
from api_gateway.middleware.bulkhead import BulkheadMiddleware
from api_gateway.middleware.deadline import DeadlineMiddleware
from api_gateway.plotting.failures.laboratory import Flow, Trial, breaker_for, offered
from api_gateway.routing.route import Route
from api_gateway.routing.router import Router
from api_gateway.simulation import Exponential, FakeService, Fault, VirtualClock, run
from api_gateway.transport.in_process import InProcessTransport


class Shop(NamedTuple):
    """A gateway before two services that are equally fast."""

    places: int = 100
    """Requests that the gateway can hold."""
    catalogue: float = 100.0
    """Requests a second; likewise the next."""
    reviews: float = 60.0
    takes: float = 0.05
    """Seconds that either service works on a request, on average."""
    slow: tuple[float, float] = (8.0, 28.0)
    """When the reviews are slow."""
    factor: float = 100.0
    """How slow."""
    seconds: float = 40.0
    timeout: float = 0.5
    bulkhead: int = 20
    open_for: float = 5.0


def cascade(shop: Shop, protections: Collection[str] = (), seed: int = 1) -> Trial:
    """Flows `catalogue` and `reviews`, and the series `held`: the places taken.

    `protections` of the reviews are any of timeout, breaker and bulkhead.
    """

    async def main() -> Trial:
        clock = VirtualClock()
        takes = Exponential(shop.takes)
        fault = Fault("slow", *shop.slow, factor=shop.factor)
        layers: dict[str, Middleware] = {
            "timeout": DeadlineMiddleware(shop.timeout, clock),
            "breaker": breaker_for("reviews", clock, shop.open_for),
            "bulkhead": BulkheadMiddleware(shop.bulkhead, name="reviews", clock=clock),
        }
        services = {
            "catalogue": _service("catalogue", FakeService(takes, workers=1000, random=Random(1)), [], clock),
            "reviews": _service(
                "reviews",
                FakeService(takes, workers=1000, faults=[fault], random=Random(2)),
                [layer for name, layer in layers.items() if name in protections],
                clock,
            ),
        }
        everything = BulkheadMiddleware(shop.places, clock=clock)
        router = Router([Route("/catalogue", "catalogue"), Route("/reviews", "reviews")])
        gateway = ApiGateway(router, services, [everything], clock=clock)
        flows = {"catalogue": Flow("/catalogue", shop.catalogue), "reviews": Flow("/reviews", shop.reviews)}
        return await offered(gateway, flows, shop.seconds, watch={"held": lambda: everything.in_flight}, seed=seed)

    return run(main)


def _service(name: str, handler: FakeService, middleware: list[Middleware], clock: Clock) -> BackendService:
    url = f"in-process://{name}"
    return BackendService(name, [Endpoint(url)], InProcessTransport({url: handler}), middleware=middleware, clock=clock)


def erlang_b(places: int, load: float) -> float:
    """The share of requests that find no place, if `load` places would be taken on average without a limit.

    It holds whatever the distribution of the holding times, so also for a mixture of fast and slow ones.
    """
    blocked = 1.0
    for place in range(1, places + 1):
        blocked = load * blocked / (place + load * blocked)
    return blocked
