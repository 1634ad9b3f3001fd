"""Security metrics: counts by event and route, there before the first event, right in a sum over processes."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from api_gateway.core.clock import ManualClock
from api_gateway.core.security_events import SecurityEvent, SecurityEvents
from api_gateway.middleware.metrics.security import SecurityMetrics
from api_gateway.server.metrics_sum import MetricsSum

TOTAL = "api_gateway_security_events_total"
SUPPRESSED = "api_gateway_security_events_suppressed_total"


def registered(lines_per_second: int = 100) -> tuple[SecurityEvents, CollectorRegistry]:
    events, registry = SecurityEvents(ManualClock(), lines_per_second), CollectorRegistry()
    registry.register(SecurityMetrics(events))
    return events, registry


def value(registry: CollectorRegistry, event: str, route: str = "none") -> float | None:
    return registry.get_sample_value(TOTAL, {"event": event, "route": route})


async def test_events_are_counted_by_kind_and_route() -> None:
    events, registry = registered()
    for route in ("users", "users", ""):
        events.report("forbidden", route, SecurityEvent)
    assert (value(registry, "forbidden", "users"), value(registry, "forbidden")) == (2, 1)
    assert value(registry, "malformed", "users") is None


def test_every_kind_is_there_before_it_happens() -> None:
    _, registry = registered()
    assert [value(registry, name) for name in ("authentication_refused", "malformed", "identity_unavailable")] == [
        0
    ] * 3


async def test_events_without_a_line_are_counted_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "api_gateway.security")
    events, registry = registered(lines_per_second=2)
    for _ in range(5):
        events.report("malformed", "", SecurityEvent)
    assert value(registry, "malformed") == 5
    assert registry.get_sample_value(SUPPRESSED, {"event": "malformed"}) == 3
    await events.close()
    assert registry.get_sample_value(SUPPRESSED, {"event": "malformed"}) == 3


async def test_what_clients_send_is_no_label() -> None:
    events, registry = registered()
    events.report("malformed", "users", lambda: SecurityEvent(path="/made-up", method="MADE-UP", client="192.0.2.1"))
    text = generate_latest(registry).decode().lower()
    assert "made-up" not in text
    assert "192.0.2.1" not in text


async def test_two_processes_are_one_in_the_sum() -> None:
    total = MetricsSum(2)
    for place, count in enumerate((3, 4)):
        events, registry = registered(lines_per_second=1)
        for _ in range(count):
            events.report("limit_exceeded", "", SecurityEvent)
        total.update(place, 1, generate_latest(registry).decode())
    assert value(total.registry, "limit_exceeded") == 7
    total.gone(0)
    assert value(total.registry, "limit_exceeded") == 7


def test_a_registry_refuses_a_second_set() -> None:
    events, registry = registered()
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(SecurityMetrics(events))
