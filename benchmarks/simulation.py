"""Simulation: how many requests of virtual time pass through a gateway in a second.

Rule: an open loop at 80 % of what a fake service with eight workers can do, through the gateway that a configuration
makes. Six layers are metrics, request id, error boundary, canonical request, forwarded, deadline; the other row
has retry, circuit breaker and bulkhead around the service, too. Every request is recorded, as in an experiment.
Rounds take turns, and the best of each row counts: noise only ever takes.

Time is the wall's, as that is what whoever runs a notebook waits for.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from random import Random

from api_gateway import build_gateway
from api_gateway.simulation import Experiment, Exponential, FakeService, Steady, VirtualClock, open_loop
from api_gateway.simulation import run as run_in_virtual_time
from benchmarks.machine import Machine, pinned
from benchmarks.report import Bar, Report, table

LEAST = 20_000
"""Requests in a second of wall time."""

_WORKERS = 8
_SERVICE_TIME = 0.01
_LOAD = 0.8
_ROWS: Mapping[str, Mapping[str, object]] = {
    "six layers": {},
    "and retry, circuit breaker, bulkhead": {
        "retry": {},
        "circuit_breaker": {},
        "concurrency": {"limit": 1000, "queue": 100},
    },
}


def run(machine: Machine, *, requests: int = 20_000, rounds: int = 5) -> Report:
    """Simulate about so many requests, several times."""
    report = Report(f"simulation: requests in a second, best of {rounds} x {requests:,}")
    with pinned(machine.test_core):
        found = [{name: simulated(requests, policies) for name, policies in _ROWS.items()} for _ in range(rounds)]
    best = {name: max(round_[name] for round_ in found) for name in _ROWS}
    report.table = table(
        ("", "requests/s", "us"), [[name, f"{rate:,.0f}", f"{1e6 / rate:.1f}"] for name, rate in best.items()]
    )
    report.figures = {"requests_per_second": best}
    report.bars = [Bar("simulated requests, six layers", best["six layers"], LEAST, unit="/s")]
    return report


def simulated(requests: int, policies: Mapping[str, object]) -> float:
    """Requests in a second, before a service with `policies`."""
    rate = _LOAD * _WORKERS / _SERVICE_TIME
    config = {
        "services": {"orders": policies},
        "middleware": ["request_id", {"deadline": "3s"}],
        "routes": [{"path": "/api/orders/*", "service": "orders", "strip_prefix": True}],
    }

    async def main() -> int:
        service = FakeService(Exponential(_SERVICE_TIME), workers=_WORKERS, random=Random(1))
        gateway = build_gateway(config, {"orders": service}, clock=VirtualClock(), random=Random(2))
        experiment = Experiment(gateway, "/api/orders/42")
        await open_loop(Steady(rate), requests / rate, experiment.send, Random(3))
        assert all(outcome.status == 200 for outcome in experiment.outcomes)
        return len(experiment.outcomes)

    started = time.perf_counter()
    sent = run_in_virtual_time(main)
    return sent / (time.perf_counter() - started)
