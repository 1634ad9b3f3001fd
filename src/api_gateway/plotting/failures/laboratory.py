"""Laboratory: one gateway, streams of requests to it, and what became of each.

Rule: a *flow* is requests of one kind that come at a rate, whether or not the earlier ones were answered. All flows
of a run meet the same gateway, each with an `Experiment` of its own. The same seed gives the same arrivals, so two
runs differ in nothing but what was changed between them.

What it does not do: build gateways. Each scenario builds its own, in the file that is named after it.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import NamedTuple

from api_gateway.core.api_gateway import ApiGateway
from api_gateway.core.clock import NANOSECONDS, Clock
from api_gateway.middleware.circuit_breaking import CircuitBreakingMiddleware
from api_gateway.resilience.circuit_breaker import CircuitBreaker
from api_gateway.resilience.outcome_window import CountWindow
from api_gateway.simulation import Experiment, Outcome, Steady, open_loop


class Flow(NamedTuple):
    """Requests of one kind."""

    target: str
    rate: float
    """A second, on average."""
    method: str = "GET"


class Trial(NamedTuple):
    """What became of the requests of one run."""

    flows: Mapping[str, Sequence[Outcome]]
    """By the name of the flow, in the order in which they ended."""
    series: Mapping[str, Sequence[tuple[float, float]]]
    """What was watched, as pairs of time and value."""

    def good(self, flow: str, start: float, end: float, within: float = math.inf) -> float:
        """The share of the requests sent from `start` to before `end` that had a useful answer in time."""
        chosen = [outcome for outcome in self.flows[flow] if start <= outcome.sent < end]
        return sum(is_good(outcome, within) for outcome in chosen) / len(chosen)

    def failed(self, flow: str, within: float = math.inf) -> int:
        """How many requests had no useful answer in time."""
        return sum(not is_good(outcome, within) for outcome in self.flows[flow])

    def flags(self, flow: str) -> Counter[str]:
        """How often each flag was in the access log."""
        return Counter(outcome.flag for outcome in self.flows[flow])

    def most(self, series: str) -> float:
        """The highest of the samples."""
        return max(value for _, value in self.series[series])


def is_good(outcome: Outcome, within: float = math.inf) -> bool:
    """Whether it is a useful answer (below 400), no later than `within` seconds after it was asked for."""
    return 0 < outcome.status < 400 and outcome.duration <= within


async def offered(
    gateway: ApiGateway,
    flows: Mapping[str, Flow],
    seconds: float,
    *,
    watch: Mapping[str, Callable[[], float]] | None = None,
    every: float = 0.25,
    seed: int = 1,
) -> Trial:
    """Let all flows come to `gateway` for so many seconds, and wait for the last answer.

    Args:
        gateway: is started before, and closed after.
        flows: by name.
        seconds: how long.
        watch: what is sampled meanwhile, by name.
        every: seconds from one sample to the next.
        seed: of the arrivals.
    """
    experiments = {name: Experiment(gateway, flow.target, flow.method) for name, flow in flows.items()}
    sampled = next(iter(experiments.values()))
    for name, value in (watch or {}).items():
        sampled.watch(name, value)
    async with gateway, sampled.sampling(every), asyncio.TaskGroup() as group:
        for name, flow in flows.items():
            arrivals = Random(f"{name} {seed}")
            group.create_task(open_loop(Steady(flow.rate), seconds, experiments[name].send, arrivals))
    return Trial({name: experiment.outcomes for name, experiment in experiments.items()}, sampled.series)


def breaker_for(service: str, clock: Clock, open_for: float) -> CircuitBreakingMiddleware:
    """One that opens when half of the last 20 calls have failed, for so many seconds."""
    breaker = CircuitBreaker(
        CountWindow(20), min_calls=10, failure_rate=0.5, open_for=round(open_for * NANOSECONDS), half_open_calls=3
    )
    return CircuitBreakingMiddleware(service, breaker, clock=clock)
