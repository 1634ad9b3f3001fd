"""Status: what the admin pages show, whoever knows it.

Rule: one small protocol between the pages and the gateway. `LocalStatus` reads the gateway of
this process; `workers_status.py` asks the worker processes and adds up. The pages cannot tell.

Everything here may be shown to whoever reaches the admin port: names, addresses, counts, never
header values or credentials.

What it does not do: measure. Everything is asked of those who know: endpoints, health, middleware.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from prometheus_client import CollectorRegistry

from api_gateway.backend.backend_service import BackendService
from api_gateway.backend.healthy_endpoints import State
from api_gateway.core.api_gateway import ApiGateway
from api_gateway.core.middleware import Handler, Middleware
from api_gateway.middleware.circuit_breaking import CircuitBreakingMiddleware
from api_gateway.middleware.metrics.metrics_middleware import MetricsMiddleware
from api_gateway.routing.router import Router

Phase: TypeAlias = Literal["starting", "ready", "draining"]
"""Only in `ready` should new requests be sent here."""

Circuit: TypeAlias = Literal["", "closed", "half_open", "open"]
"""Empty where there is none."""


@dataclass(frozen=True, slots=True)
class RouteStatus:
    """One line of the routing table."""

    name: str
    path: str
    hosts: Sequence[str]
    """Empty for any."""
    methods: Sequence[str]
    """Empty for any."""
    service: str
    middleware: Sequence[str]
    """Every layer that a request for this route passes, outermost first."""


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """One instance of a service, counted since the process started."""

    url: str
    weight: int
    in_flight: int = 0
    requests: int = 0
    failures: int = 0
    health: State = "healthy"
    why: str = ""
    """Why it is not healthy."""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service; a Handler in this process has no endpoints."""

    name: str
    endpoints: Sequence[EndpointStatus]
    panic: bool = False
    """So few endpoints are healthy that all are used."""
    circuit_breaker: Circuit = ""
    """The state of its circuit; empty without one."""


@dataclass(frozen=True, slots=True)
class ServicesReport:
    """All services, and whose counts are in it."""

    services: Sequence[ServiceStatus]
    workers: int = 1
    answered: int = 1
    """Of `workers`; the counts of the others are missing."""


class Status(Protocol):
    """What there is to know about a running gateway."""

    async def metrics(self) -> CollectorRegistry:
        """Its metrics."""
        ...

    async def phase(self) -> Phase:
        """Whether it takes requests."""
        ...

    async def routes(self) -> Sequence[RouteStatus]:
        """The routing table, in the order of the configuration."""
        ...

    async def services(self) -> ServicesReport:
        """The services in the order of the configuration."""
        ...


class LocalStatus:
    """The status of a gateway in this process."""

    __slots__ = ("_gateway", "_registry", "current_phase")

    def __init__(self, gateway: ApiGateway) -> None:
        self._gateway = gateway
        self._registry = registry_of(gateway)
        self.current_phase: Phase = "starting"
        """Set by whoever runs the gateway."""

    async def metrics(self) -> CollectorRegistry:
        """See `Status`."""
        return self._registry

    async def phase(self) -> Phase:
        """See `Status`."""
        return self.current_phase

    async def routes(self) -> Sequence[RouteStatus]:
        """See `Status`."""
        return routes_of(self._gateway)

    async def services(self) -> ServicesReport:
        """See `Status`."""
        return ServicesReport(services_of(self._gateway))


def routes_of(gateway: ApiGateway) -> Sequence[RouteStatus]:
    """The routes of `gateway`; none if its router is of another kind than ours."""
    if not isinstance(gateway.router, Router):
        return ()
    edge = gateway.layers()
    return [
        RouteStatus(
            route.name,
            route.path,
            route.hosts,
            route.methods,
            route.service,
            [layer_name(layer) for layer in (*edge, *route.middleware)],
        )
        for route in gateway.router.routes
    ]


def services_of(gateway: ApiGateway) -> Sequence[ServiceStatus]:
    """The services of `gateway`, identity providers too, with their counts and their health as they are now."""
    services = [_status_of(name, service) for name, service in gateway.services.items()]
    providers = [each for each in gateway.resources if isinstance(each, BackendService)]
    return services + [_status_of(provider.name, provider) for provider in providers]


def _status_of(name: str, service: Handler) -> ServiceStatus:
    if not isinstance(service, BackendService):
        return ServiceStatus(name, ())
    endpoints = [
        EndpointStatus(each.url, each.weight, each.in_flight, each.requests, each.failures, *service.health_of(each))
        for each in service.endpoints
    ]
    return ServiceStatus(name, endpoints, service.health.panicking, _circuit(service))


def _circuit(service: BackendService) -> Circuit:
    for layer in service.middleware:
        if isinstance(layer, CircuitBreakingMiddleware):
            return layer.state.value
    return ""


def registry_of(gateway: ApiGateway) -> CollectorRegistry:
    """Where `gateway` counts; an empty registry if it does not."""
    for layer in gateway.middleware:
        if isinstance(layer, MetricsMiddleware):
            return layer.registry
    return CollectorRegistry()


def layer_name(layer: Middleware) -> str:
    """The function's or class's name, by which it is found in the source."""
    name: str = getattr(layer, "__name__", type(layer).__name__)
    return name
