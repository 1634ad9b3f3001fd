"""The status of several workers as one; over their sockets it is tested in `test_workers.py`."""

from __future__ import annotations

import pytest

from api_gateway.backend.healthy_endpoints import State
from api_gateway.server.status import Circuit, EndpointStatus, ServiceStatus
from api_gateway.server.workers_status import combined


def service(*endpoints: EndpointStatus, panic: bool = False, circuit_breaker: Circuit = "") -> ServiceStatus:
    return ServiceStatus("s", endpoints, panic, circuit_breaker)


def test_counts_are_added_endpoint_by_endpoint() -> None:
    one = service(EndpointStatus("a", 1, 2, 30, 4), EndpointStatus("b", 5))
    other = service(EndpointStatus("a", 1, 1, 10, 1), EndpointStatus("b", 5, 7, 8, 9))
    assert combined(one, other).endpoints == [EndpointStatus("a", 1, 3, 40, 5), EndpointStatus("b", 5, 7, 8, 9)]


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [
        ("healthy", "healthy", "healthy"),
        ("healthy", "warming", "warming"),
        ("ejected", "warming", "ejected"),
        ("unhealthy", "healthy", "unhealthy"),
        ("ejected", "unhealthy", "unhealthy"),
    ],
)
def test_the_worst_opinion_of_an_endpoint_is_shown_with_its_reason(one: State, other: State, shown: State) -> None:
    for first, second in ((one, other), (other, one)):
        both = combined(
            service(EndpointStatus("a", 1, health=first, why=f"why {first}")),
            service(EndpointStatus("a", 1, health=second, why=f"why {second}")),
        )
        assert both.endpoints == [EndpointStatus("a", 1, health=shown, why=f"why {shown}")]


@pytest.mark.parametrize(
    ("one", "other", "shown"), [("", "", ""), ("", "closed", "closed"), ("open", "half_open", "open")]
)
def test_panic_or_an_open_circuit_in_one_worker_is_shown(one: Circuit, other: Circuit, shown: Circuit) -> None:
    assert combined(service(circuit_breaker=one), service(circuit_breaker=other)).circuit_breaker == shown
    assert combined(service(), service(panic=True)).panic
    assert not combined(service(), service()).panic
