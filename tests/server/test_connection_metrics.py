"""Connection metrics: read when asked, right in a sum over processes."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from api_gateway.core.lazy_timer import NEVER
from api_gateway.server.connection_limits import ConnectionLimits
from api_gateway.server.connection_metrics import ConnectionMetrics
from api_gateway.server.edge_limits import EdgeLimits
from api_gateway.server.metrics_sum import MetricsSum


class Idle:
    def __init__(self, idle_deadline: float = NEVER) -> None:
        self.idle_deadline = idle_deadline
        self.silent_deadline = NEVER

    def give_way(self) -> None:
        pass


def some() -> tuple[ConnectionLimits, CollectorRegistry]:
    """Two connected, one that gave way, one refused."""
    table = ConnectionLimits(EdgeLimits(max_connections_per_address=1))
    for address, deadline in (("192.0.2.1", 1.0), ("192.0.2.1", NEVER), ("192.0.2.1", NEVER), ("192.0.2.2", NEVER)):
        table.admit(Idle(deadline), address, 0.0)
    registry = CollectorRegistry()
    registry.register(ConnectionMetrics(table))
    return table, registry


def values(registry: CollectorRegistry) -> list[float | None]:
    names = ("connections", "connection_addresses", "connections_refused_total", "connections_yielded_total")
    return [registry.get_sample_value(f"api_gateway_{name}") for name in names]


def test_the_numbers_are_those_of_now() -> None:
    table, registry = some()
    assert values(registry) == [2, 2, 1, 1]
    table.admit(Idle(), "192.0.2.3", 0.0)
    assert values(registry) == [3, 3, 1, 1]


def test_a_worker_that_has_gone_keeps_its_counts_and_has_no_connections() -> None:
    total = MetricsSum(2)
    for place in (0, 1):
        total.update(place, 1, generate_latest(some()[1]).decode())
    assert values(total.registry) == [4, 4, 2, 2]
    total.gone(0)
    assert values(total.registry) == [2, 2, 2, 2]
