"""Workers' status: the status of several processes, as if they were one.

Rule: the routing table is the same everywhere and is read here; counts are asked of every worker
over its Unix-domain socket and added up, metrics too (`metrics_sum.py`). Ready is when every worker
says so. Each worker has its own opinion of an endpoint's health and of a circuit; the worst one is shown.

Bound: a worker that does not answer within `PATIENCE` is left out, and the report says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import httpx2 as httpx
from prometheus_client import CollectorRegistry
from pydantic import TypeAdapter, ValidationError

from api_gateway.backend.healthy_endpoints import State
from api_gateway.core.api_gateway import ApiGateway
from api_gateway.server.metrics_sum import MetricsSum
from api_gateway.server.status import (
    Circuit,
    EndpointStatus,
    Phase,
    RouteStatus,
    ServicesReport,
    ServiceStatus,
    routes_of,
    services_of,
)
from api_gateway.server.worker_process import WorkerProcess

PATIENCE = 1.0
"""Seconds for a worker to answer."""

_REPORT = TypeAdapter(ServicesReport)
_STATES: Sequence[State] = ("healthy", "warming", "ejected", "unhealthy")
_CIRCUITS: Sequence[Circuit] = ("", "closed", "half_open", "open")


class WorkersStatus:
    """The status of `workers`; use it as an asynchronous context manager."""

    def __init__(self, gateway: ApiGateway, workers: Sequence[WorkerProcess]) -> None:
        """`gateway` is built like the workers' own and serves nothing."""
        self._metrics = MetricsSum(len(workers))
        self.draining = False
        """Set by whoever runs the workers."""
        self._routes = routes_of(gateway)
        self._services = services_of(gateway)
        # No connection is kept: a worker may be another process by the next time.
        fresh = httpx.Limits(max_keepalive_connections=0)
        self._workers = workers
        self._clients = [
            httpx.AsyncClient(
                transport=httpx.AsyncHTTPTransport(uds=str(worker.admin_path), limits=fresh),
                base_url="http://worker",
                timeout=PATIENCE,
                trust_env=False,
            )
            for worker in workers
        ]
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for client in self._clients:
            await self._open.enter_async_context(client)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._open.aclose()

    async def metrics(self) -> CollectorRegistry:
        """See `Status`."""
        asked = [worker.births for worker in self._workers]
        for place, answer in enumerate(await self._ask_all("/metrics")):
            if answer is not None and answer.is_success:
                self._metrics.update(place, asked[place], answer.text)
            else:
                self._metrics.gone(place)
        return self._metrics.registry

    async def phase(self) -> Phase:
        """See `Status`."""
        if self.draining:
            return "draining"
        answers = await self._ask_all("/ready")
        return "ready" if all(answer is not None and answer.is_success for answer in answers) else "starting"

    async def routes(self) -> Sequence[RouteStatus]:
        """See `Status`."""
        return self._routes

    async def services(self) -> ServicesReport:
        """See `Status`."""
        reports = [report for answer in await self._ask_all("/services") if (report := _report(answer)) is not None]
        total = self._services
        for report in reports:
            total = [combined(*pair) for pair in zip(total, report.services, strict=True)]
        return ServicesReport(total, len(self._workers), len(reports))

    async def _ask_all(self, path: str) -> list[httpx.Response | None]:
        return await asyncio.gather(*(_ask(client, path) for client in self._clients))


async def _ask(client: httpx.AsyncClient, path: str) -> httpx.Response | None:
    try:
        async with asyncio.timeout(PATIENCE):
            return await client.get(path)
    except (httpx.HTTPError, TimeoutError):
        return None


def _report(answer: httpx.Response | None) -> ServicesReport | None:
    if answer is None or not answer.is_success:
        return None
    try:
        return _REPORT.validate_json(answer.content)
    except ValidationError:
        return None


def combined(one: ServiceStatus, other: ServiceStatus) -> ServiceStatus:
    """What two processes say of one service: counts are added, of states the worse one is taken."""
    endpoints = [_combined(a, b) for a, b in zip(one.endpoints, other.endpoints, strict=True)]
    circuit_breaker = max(one.circuit_breaker, other.circuit_breaker, key=_CIRCUITS.index)
    return ServiceStatus(one.name, endpoints, one.panic or other.panic, circuit_breaker)


def _combined(a: EndpointStatus, b: EndpointStatus) -> EndpointStatus:
    worse = max(a, b, key=lambda endpoint: _STATES.index(endpoint.health))
    return EndpointStatus(
        a.url,
        a.weight,
        a.in_flight + b.in_flight,
        a.requests + b.requests,
        a.failures + b.failures,
        worse.health,
        worse.why,
    )
