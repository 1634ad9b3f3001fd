"""Returning: one of four endpoints dies and comes back, and who notices how fast.

Rule: the endpoint refuses connections for a while; the other three could carry everything. Mechanisms are switched on
by name, each as the gateway has it:

| name | what |
|---|---|
| health check | each second; out after 2 failures, back after 2 successes |
| outlier detection | out after 5 errors in a row, for 5 s times the number of ejections |
| retry | up to 3 tries, elsewhere, where it is safe; a fifth more requests at most |
| slow start | 10 s until the whole share |

What it does not do: kill in the middle of an answer. Real sockets do, in the tests of the gateway.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from random import Random
from typing import NamedTuple

from api_gateway.backend.backend_service import BackendService
from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.health_check import HealthCheck
from api_gateway.backend.outlier_detection import OutlierDetection
from api_gateway.backend.slow_start import SlowStart
from api_gateway.core.api_gateway import ApiGateway
from api_gateway.middleware.retry import RetryMiddleware
from api_gateway.plotting.failures.laboratory import Flow, Trial, offered
from api_gateway.resilience.backoff import Backoff
from api_gateway.resilience.retry_budget import RetryBudget
from api_gateway.routing.route import Route
from api_gateway.routing.router import Router
from api_gateway.simulation import Exponential, FakeService, Fault, VirtualClock, run
from api_gateway.transport.in_process import InProcessTransport

ENDPOINTS = 4
MILLISECOND = 1_000_000
EVERY = 0.5
"""Seconds between samples."""


class Death(NamedTuple):
    """What happens."""

    gone: tuple[float, float] = (10.0, 25.0)
    rate: float = 200.0
    seconds: float = 40.0
    method: str = "GET"


class Notice(NamedTuple):
    """When a mechanism noticed."""

    failed: int
    """Requests without a useful answer."""
    last_failure: float
    """Seconds after the death; 0 without any."""
    tries: int
    """Requests and tries that met the dead endpoint."""
    back: float
    """Seconds after its return, until it was asked again and answered; to the length of a sample."""
    share_at_first: float
    """Of the traffic, in the first two seconds after that."""


def returning(death: Death, mechanisms: Collection[str] = (), seed: int = 1) -> Trial:
    """The flow `orders`, and the series `asked`: requests a second to the endpoint that dies."""

    async def main() -> Trial:
        clock = VirtualClock()
        handlers = {
            f"in-process://orders/{number}": FakeService(
                Exponential(0.01),
                workers=100,
                faults=[Fault("refuse", *death.gone)] if number == 1 else [],
                random=Random(f"{number} {seed}"),
            )
            for number in range(ENDPOINTS)
        }
        members = [Endpoint(url) for url in handlers]
        backoff = Backoff(25 * MILLISECOND, 250 * MILLISECOND, Random(f"backoff {seed}"))
        service = BackendService(
            "orders",
            members,
            InProcessTransport(handlers),
            middleware=[RetryMiddleware(3, backoff, RetryBudget(0.2), clock=clock)] if "retry" in mechanisms else [],
            clock=clock,
            random=Random(f"service {seed}"),
            health_check=HealthCheck("/health", 1.0, 0.5) if "health check" in mechanisms else None,
            outlier_detection=OutlierDetection(5, 5.0) if "outlier detection" in mechanisms else None,
            slow_start=SlowStart(10.0) if "slow start" in mechanisms else None,
        )
        gateway = ApiGateway(Router([Route("/*", "orders")]), {"orders": service}, clock=clock)
        flows = {"orders": Flow("/orders", death.rate, death.method)}
        trial = await offered(
            gateway, flows, death.seconds, watch={"asked": lambda: members[1].requests}, every=EVERY, seed=seed
        )
        return Trial(trial.flows, {"asked": _rates(trial.series["asked"])})

    return run(main)


def _rates(counts: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """From a count over time to what it grew by, a second."""
    return [(time, (after - before) / (later - time)) for (time, before), (later, after) in pairwise(counts)]


def noticed(trial: Trial, death: Death) -> Notice:
    """What clients and the dead endpoint saw of it."""
    outcomes = trial.flows["orders"]
    start, end = death.gone
    failures = [outcome.sent for outcome in outcomes if outcome.status >= 500]
    asked = dict(trial.series["asked"])
    back = min((time for time, rate in asked.items() if time >= end and rate > 0), default=death.seconds)
    first = [rate for time, rate in asked.items() if back <= time < back + 2]
    return Notice(
        failed=len(failures),
        last_failure=max(failures) - start if failures else 0.0,
        tries=round(sum(rate * EVERY for time, rate in asked.items() if start <= time < end)),
        back=back - end,
        share_at_first=sum(first) / len(first) / death.rate,
    )
