"""Exhibition: one preset and one outage, in virtual time, and what it came to.

Rule: `visit` sends 50 requests a second to a service of three endpoints, each of which does 50 a second, through a real
gateway with the preset's middleware. All presets meet the same arrivals and the same outage. A client that has no
answer after `PATIENCE` leaves; the gateway is not told why.

A request is good if it was answered with 200 within `GOOD`, late if with 200 after that, and failed otherwise.

What it does not do: say which preset is best. That depends on the outage, and so on what is expected to happen.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from random import Random
from typing import Literal, NamedTuple, TypeAlias

from api_gateway.backend.backend_service import BackendService
from api_gateway.backend.endpoint import Endpoint
from api_gateway.build import build_gateway
from api_gateway.core.clock import Clock
from api_gateway.plotting.defaults_museum.preset import Preset, middleware_of
from api_gateway.simulation import (
    Experiment,
    Exponential,
    FakeService,
    Fault,
    Outcome,
    Steady,
    VirtualClock,
    open_loop,
    run,
)
from api_gateway.simulation.impatient_transport import ImpatientTransport
from api_gateway.transport.in_process import InProcessTransport
from api_gateway.transport.transport import Transport

RATE = 50
"""Requests a second."""
ENDPOINTS = 3
SECONDS = 100
"""How long clients ask."""
PATIENCE = 30.0
"""Seconds after which a client leaves."""
GOOD = 1.0
"""Seconds; later answers are late."""

_SPARED = 0.2  # of the usual calls: who sends more has not noticed
_WELL = 0.9  # of the requests

Verdict: TypeAlias = Literal["good", "late", "failed"]


class Outage(NamedTuple):
    """What goes wrong, and where."""

    name: str
    fault: Fault
    ill: int
    """How many endpoints have it."""


HANGS = Outage("all endpoints hang for 30 s", Fault("hang", 20, 50), ENDPOINTS)
SLOW = Outage("all are ten times slower for 10 s", Fault("slow", 20, 30, factor=10), ENDPOINTS)
ONE_DEAD = Outage("one of three is dead for 30 s", Fault("refuse", 20, 50), 1)
OUTAGES = (HANGS, SLOW, ONE_DEAD)


class Visit(NamedTuple):
    """What became of it."""

    outage: Outage
    outcomes: Sequence[Outcome]
    """In the order in which they were sent."""
    calls: Sequence[int]
    """Calls to the ill endpoints in each second."""

    def verdicts(self, verdict: Verdict) -> list[int]:
        """How many requests of each second of sending came to this."""
        counts = Counter(int(outcome.sent) for outcome in self.outcomes if verdict_of(outcome) == verdict)
        return [counts[second] for second in range(SECONDS)]

    def report(self) -> Report:
        """The numbers of the table."""
        fault = self.outage.fault
        start, end = round(fault.start), round(fault.end)
        during = [outcome.duration for outcome in self.outcomes if start <= outcome.sent < end]
        usual = RATE * self.outage.ill / ENDPOINTS
        spared = [second for second in range(start, end) if self.calls[second] <= _SPARED * usual]
        sent = Counter(int(outcome.sent) for outcome in self.outcomes)
        failed = self.verdicts("failed")
        unwell = [second for second in range(SECONDS) if failed[second] > (1 - _WELL) * sent[second]]
        last = max(unwell, default=0) + 1
        return Report(
            float(spared[0] - start) if spared else None,
            sum(failed),
            sum(self.verdicts("late")),
            sum(self.calls[start:end]),
            math.inf if last >= SECONDS else max(0.0, float(last - end)),
            math.fsum(during) / len(during),
        )


class Report(NamedTuple):
    """One row of the table."""

    spared: float | None
    """Seconds until the ill endpoints got at most a fifth of their usual calls; None for not during the outage."""
    failed: int
    """Requests."""
    late: int
    """Requests."""
    calls: int
    """To ill endpoints while they were ill."""
    recovered: float
    """Seconds from the outage's end until nine of ten requests were answered, for good."""
    mean: float
    """Seconds that a request took which was sent during the outage."""


def verdict_of(outcome: Outcome) -> Verdict:
    """What a client makes of it."""
    if outcome.status != 200:
        return "failed"
    return "good" if outcome.duration <= GOOD else "late"


def visit(preset: Preset, outage: Outage, *, seed: int = 1) -> Visit:
    """Let the outage happen to the preset."""

    async def main() -> Visit:
        handlers = {
            f"in-process://{number}": FakeService(
                Exponential(0.04),
                workers=2,
                faults=[outage.fault] if number < outage.ill else [],
                random=Random(f"endpoint {number} {seed}"),
            )
            for number in range(ENDPOINTS)
        }
        experiment = _experiment(preset, handlers, Random(f"gateway {seed}"))
        ill = list(handlers.values())[: outage.ill]
        experiment.watch("calls", lambda: sum(endpoint.arrived for endpoint in ill))
        async with experiment.sampling(1.0):
            await open_loop(Steady(RATE), SECONDS, partial(_ask, experiment), Random(f"arrivals {seed}"))
            await asyncio.sleep(1)
        totals = [int(value) for _, value in experiment.series["calls"]]
        calls = [after - before for before, after in pairwise(totals)]
        return Visit(outage, sorted(experiment.outcomes), calls)

    return run(main)


async def _ask(experiment: Experiment) -> None:
    loop = asyncio.get_running_loop()
    sent = loop.time()
    try:
        async with asyncio.timeout(PATIENCE):
            await experiment.send()
    except TimeoutError:
        experiment.outcomes.append(Outcome(sent, loop.time() - sent, 0, "DC", "", 0))


def _experiment(preset: Preset, handlers: dict[str, FakeService], random: Random) -> Experiment:
    clock: Clock = VirtualClock()
    transport: Transport = InProcessTransport(handlers)
    if preset.timeout is not None:
        transport = ImpatientTransport(transport, preset.timeout)
    service = BackendService(
        "s",
        [Endpoint(url) for url in handlers],
        transport,
        middleware=middleware_of(preset, clock, random),
        clock=clock,
        random=random,
        outlier_detection=preset.outliers,
        panic_threshold=preset.panic,
    )
    config = {"middleware": [], "routes": [{"path": "/*", "service": "s"}]}
    return Experiment(build_gateway(config, {"s": service}, clock=clock, random=random))
