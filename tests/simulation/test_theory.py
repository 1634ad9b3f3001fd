"""The laboratory against queueing theory: what has a formula must come out of the simulation.

All through a gateway, in virtual time, with fixed seeds: no run differs from another, so a tolerance
says how far this sample is from the expectation, not how lucky a run is.
"""

from __future__ import annotations

import math
from functools import cache
from random import Random

import pytest

from api_gateway import build_gateway
from api_gateway.simulation import run
from api_gateway.simulation.experiment import Experiment
from api_gateway.simulation.fake_service import FakeService
from api_gateway.simulation.service_time import Exponential
from api_gateway.simulation.traffic import Steady, closed_loop, open_loop
from api_gateway.simulation.virtual_time import VirtualClock


def erlang_b(servers: int, load: float) -> float:
    """The share of calls lost by `servers` without a queue under `load` erlangs (Erlang, 1917)."""
    blocking = 1.0
    for number in range(1, servers + 1):
        blocking = load * blocking / (number + load * blocking)
    return blocking


def erlang_c(servers: int, load: float) -> float:
    """The share of calls that have to wait for one of `servers`."""
    blocking = erlang_b(servers, load)
    return servers * blocking / (servers - load * (1 - blocking))


@cache
def measured(
    seed: int, *, rate: float, workers: int, seconds: float, queue: int | None = None
) -> tuple[Experiment, FakeService]:
    async def main() -> tuple[Experiment, FakeService]:
        random = Random(seed)
        service = FakeService(Exponential(1.0), workers=workers, queue=queue, random=Random(seed + 1))
        gateway = build_gateway(
            {"middleware": [], "routes": [{"path": "/*", "service": "s"}]},
            services={"s": service},
            clock=VirtualClock(),
            random=Random(seed + 2),
        )
        experiment = Experiment(gateway)
        async with gateway:
            await open_loop(Steady(rate), seconds, experiment.send, random)
        return experiment, service

    return run(main)


@pytest.mark.parametrize(("workers", "load", "expected"), [(1, 0.5, 2.0), (8, 0.8, 1.286), (2, 0.7, 1.961)])
def test_the_mean_time_in_the_system_is_erlangs(workers: int, load: float, expected: float) -> None:
    offered = workers * load
    theory = 1 + erlang_c(workers, offered) / (workers - offered)
    assert theory == pytest.approx(expected, abs=0.001)
    means = [measured(seed, rate=offered, workers=workers, seconds=5000 / offered)[0].mean() for seed in range(3)]
    assert sum(means) / len(means) == pytest.approx(theory, rel=0.05)


def test_the_time_in_an_m_m_1_is_exponential_not_only_in_its_mean() -> None:
    durations = [d for seed in range(4) for d in measured(seed, rate=0.5, workers=1, seconds=10_000)[0].durations()]
    # The further out, the fewer there are: 20,000 in all, 1,000 beyond 6 s, and those come in clusters.
    for time, tolerance in ((0.5, 0.03), (2.0, 0.06), (6.0, 0.2)):
        beyond = sum(duration > time for duration in durations) / len(durations)
        assert beyond == pytest.approx(math.exp(-time / 2), rel=tolerance)


@pytest.mark.parametrize(("workers", "load"), [(5, 3.0), (10, 10.0), (10, 20.0)])
def test_without_a_queue_the_loss_is_erlang_b(workers: int, load: float) -> None:
    experiment, service = measured(7, rate=load, workers=workers, seconds=8_000 / load, queue=0)
    lost = experiment.statuses()[503] / len(experiment.outcomes)
    assert lost == pytest.approx(erlang_b(workers, load), rel=0.08)
    assert service.refused == experiment.statuses()[503]


@pytest.mark.parametrize("seed", range(3))
def test_littles_law_holds_in_every_run_not_only_on_average(seed: int) -> None:
    # L = lambda W has no randomness in it: the integral of the number present is the sum of the times.
    experiment, service = measured(seed, rate=0.9, workers=1, seconds=500)
    assert service.present == 0
    assert service.time_in_system == pytest.approx(math.fsum(experiment.durations()), rel=1e-9)


def test_a_closed_loop_cannot_overload_and_obeys_the_interactive_response_time_law() -> None:
    # R = N / X - Z (Lazowska et al., "Quantitative System Performance", 1984, chapter 3).
    users, think, seconds = 20, 5.0, 4000.0

    async def main() -> Experiment:
        service = FakeService(Exponential(1.0), random=Random(1))
        gateway = build_gateway(
            {"middleware": [], "routes": [{"path": "/*", "service": "s"}]}, {"s": service}, clock=VirtualClock()
        )
        experiment = Experiment(gateway)
        await closed_loop(users, Exponential(think), seconds, experiment.send, Random(2))
        return experiment

    experiment = run(main)
    throughput = len(experiment.outcomes) / seconds
    assert throughput == pytest.approx(1.0, rel=0.05), "one worker, one second each: no more goes through"
    assert experiment.mean() == pytest.approx(users / throughput - think, rel=0.03)
    assert max(experiment.durations()) < users * 3
