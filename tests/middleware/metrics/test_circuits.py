"""Circuit metrics: states, transitions and refusals of real breakers, and their sum over processes."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from api_gateway import Request, RequestContext, Response
from api_gateway.core.clock import ManualClock
from api_gateway.core.errors import CircuitOpen
from api_gateway.middleware.circuit_breaking import CircuitBreakingMiddleware
from api_gateway.middleware.metrics.circuits import CircuitMetrics
from api_gateway.resilience.circuit_breaker import CircuitBreaker
from api_gateway.resilience.outcome_window import CountWindow
from api_gateway.server.metrics_sum import MetricsSum

PREFIX = "api_gateway_circuit"


def circuit(clock: ManualClock, service: str = "users") -> CircuitBreakingMiddleware:
    breaker = CircuitBreaker(CountWindow(1), min_calls=1, failure_rate=1, open_for=10**9, half_open_calls=1)
    return CircuitBreakingMiddleware(service, breaker, clock=clock)


def registered(*circuits: CircuitBreakingMiddleware) -> CollectorRegistry:
    metrics, registry = CircuitMetrics(), CollectorRegistry()
    registry.register(metrics)
    for each in circuits:
        metrics.watch(each)
    return registry


async def ask(breaking: CircuitBreakingMiddleware, status: int) -> None:
    async def service(request: Request, context: RequestContext) -> Response:
        return Response(status)

    await breaking(Request("GET", "/"), RequestContext(), service)


def states(registry: CollectorRegistry, service: str = "users") -> list[float | None]:
    return [
        registry.get_sample_value(f"{PREFIX}_state", {"service": service, "state": state})
        for state in ("closed", "open", "half_open")
    ]


async def test_a_circuit_shows_its_state_its_transitions_and_its_refusals() -> None:
    clock = ManualClock()
    users = circuit(clock)
    registry = registered(users, circuit(clock, "orders"))
    assert states(registry) == [1, 0, 0]
    await ask(users, 500)
    assert (states(registry), states(registry, "orders")) == ([0, 1, 0], [1, 0, 0])
    for _ in range(3):
        with pytest.raises(CircuitOpen):
            await ask(users, 200)
    clock.advance(1)
    assert states(registry) == [0, 0, 1]
    await ask(users, 200)
    assert states(registry) == [1, 0, 0]

    def transitions(to: str) -> float | None:
        return registry.get_sample_value(f"{PREFIX}_transitions_total", {"service": "users", "to": to})

    assert [transitions(to) for to in ("open", "half_open", "closed")] == [1, 1, 1]
    assert registry.get_sample_value(f"{PREFIX}_refusals_total", {"service": "users"}) == 3
    assert registry.get_sample_value(f"{PREFIX}_refusals_total", {"service": "orders"}) == 0


async def test_the_sum_over_processes_says_how_many_circuits_are_open() -> None:
    total = MetricsSum(2)
    for place, status in ((0, 500), (1, 200)):
        users = circuit(ManualClock())
        await ask(users, status)
        total.update(place, 1, generate_latest(registered(users)).decode())
    assert states(total.registry) == [1, 1, 0]


def test_two_circuits_cannot_be_one_line() -> None:
    with pytest.raises(ValueError, match="service users has a circuit"):
        registered(circuit(ManualClock()), circuit(ManualClock()))
