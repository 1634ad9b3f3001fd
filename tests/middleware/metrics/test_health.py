"""Health metrics: what the services say when they are asked, and sums over processes."""

from __future__ import annotations

import asyncio
from random import Random

from prometheus_client import CollectorRegistry, generate_latest

from api_gateway.backend.backend_service import BackendService
from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.health_check import HealthCheck
from api_gateway.core.clock import NANOSECONDS, ManualClock
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.middleware.metrics.health import HealthMetrics
from api_gateway.server.metrics_sum import MetricsSum
from api_gateway.simulation import VirtualClock, run
from api_gateway.transport.in_process import InProcessTransport


async def well(request: Request, context: RequestContext) -> Response:
    return Response(200)


async def sick(request: Request, context: RequestContext) -> Response:
    return Response(503)


def test_health_panic_and_ejections_are_those_of_now() -> None:
    clock, registry = ManualClock(), CollectorRegistry()
    service = BackendService("s", [Endpoint("http://a"), Endpoint("http://b")], InProcessTransport({}), clock=clock)
    metrics = HealthMetrics(clock)
    metrics.watch(service.health, service.checker)
    registry.register(metrics)

    def values() -> list[float | None]:
        return [
            registry.get_sample_value("api_gateway_endpoint_healthy", {"service": "s", "endpoint": "http://a"}),
            registry.get_sample_value("api_gateway_endpoint_healthy", {"service": "s", "endpoint": "http://b"}),
            registry.get_sample_value("api_gateway_service_panicking", {"service": "s"}),
            registry.get_sample_value("api_gateway_outlier_ejections_total", {"service": "s"}),
            registry.get_sample_value("api_gateway_health_checks_total", {"service": "s", "result": "passed"}),
        ]

    assert values() == [1, 1, 0, 0, None]
    service.health.take_out(service.endpoints[0], "outlier", "errors", until=NANOSECONDS)
    assert values() == [0, 1, 0, 1, None]
    service.health.take_out(service.endpoints[1], "check", "dead")
    assert values() == [0, 0, 1, 1, None]
    clock.advance(1)
    assert values() == [1, 0, 0, 1, None], "an ejection that is over is seen without a request"
    service.endpoints = [service.endpoints[0]]
    assert values() == [1, None, 0, 1, None]


def test_checks_are_counted_by_result_and_added_up_over_processes() -> None:
    async def main() -> str:
        registry = CollectorRegistry()
        handlers = {"in-process://a": well, "in-process://b": sick}
        service = BackendService(
            "s",
            [Endpoint(url) for url in handlers],
            InProcessTransport(handlers),
            clock=VirtualClock(),
            random=Random(1),
            health_check=HealthCheck("/", interval=1.0, jitter=0.0),
        )
        metrics = HealthMetrics(VirtualClock())
        metrics.watch(service.health, service.checker)
        registry.register(metrics)
        await service.start()
        await asyncio.sleep(2.5)
        text = generate_latest(registry).decode()
        await service.close()
        return text

    total = MetricsSum(2)
    for place in (0, 1):
        total.update(place, 1, run(main))
    value = total.registry.get_sample_value
    assert value("api_gateway_health_checks_total", {"service": "s", "result": "passed"}) == 6
    assert value("api_gateway_health_checks_total", {"service": "s", "result": "failed"}) == 6
    assert value("api_gateway_endpoint_healthy", {"service": "s", "endpoint": "in-process://a"}) == 2
    assert value("api_gateway_endpoint_healthy", {"service": "s", "endpoint": "in-process://b"}) == 0
