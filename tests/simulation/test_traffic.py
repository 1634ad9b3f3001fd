"""Arrivals: their rate, their independence, and the loops that send them."""

from __future__ import annotations

import asyncio
import math
from random import Random

import pytest

from api_gateway.simulation import run
from api_gateway.simulation.service_time import Bimodal, Constant, Exponential, LogNormal, ServiceTime
from api_gateway.simulation.traffic import Ramp, Rate, Spike, Steady, Step, arrivals, closed_loop, open_loop


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (Steady(100), 10_000),
        (Step(100, 300, at=50), 20_000),
        (Spike(50, 1000, start=20, end=30), 14_500),
        (Ramp(0, 200, start=0, end=100), 10_000),
        (Ramp(200, 0, start=0, end=100), 10_000),
    ],
)
def test_as_many_arrive_as_the_integral_of_the_rate(rate: Rate, expected: int) -> None:
    times = list(arrivals(rate, 100, Random(5)))
    assert len(times) == pytest.approx(expected, abs=4 * math.sqrt(expected))
    assert times == sorted(times)
    assert 0 < times[0] < times[-1] < 100


def test_the_rate_holds_in_each_part_of_its_course() -> None:
    times = list(arrivals(Spike(50, 1000, start=20, end=30), 100, Random(6)))
    assert sum(20 <= time < 30 for time in times) == pytest.approx(10_000, rel=0.05)
    assert sum(time < 20 for time in times) == pytest.approx(1000, rel=0.15)


def test_arrivals_are_a_poisson_process() -> None:
    # In each second as many as the mean, with a variance equal to the mean: the sign of independence.
    counts = [0] * 2000
    for time in arrivals(Steady(10), 2000, Random(7)):
        counts[int(time)] += 1
    mean = sum(counts) / len(counts)
    variance = sum((count - mean) ** 2 for count in counts) / len(counts)
    assert mean == pytest.approx(10, rel=0.03)
    assert variance / mean == pytest.approx(1, rel=0.1)


def test_one_seed_gives_the_same_arrivals() -> None:
    assert list(arrivals(Steady(10), 50, Random(8))) == list(arrivals(Steady(10), 50, Random(8)))


def test_an_open_loop_sends_whatever_becomes_of_the_earlier_ones_and_waits_for_all() -> None:
    async def main() -> tuple[int, float, int]:
        in_flight = most = sent = 0

        async def send() -> None:
            nonlocal in_flight, most, sent
            in_flight += 1
            sent += 1
            most = max(most, in_flight)
            await asyncio.sleep(100)
            in_flight -= 1

        await open_loop(Steady(50), 10, send, Random(9))
        return most, asyncio.get_running_loop().time(), in_flight + sent - most

    most, ended, left = run(main)
    assert most == pytest.approx(500, rel=0.15)
    assert 109 < ended < 110
    assert left == 0


def test_a_closed_loop_has_never_more_under_way_than_users() -> None:
    async def main() -> tuple[int, int]:
        in_flight = most = sent = 0

        async def send() -> None:
            nonlocal in_flight, most, sent
            in_flight += 1
            sent += 1
            most = max(most, in_flight)
            await asyncio.sleep(1)
            in_flight -= 1

        await closed_loop(10, Constant(1.0), 100, send, Random(1))
        return most, sent

    assert run(main) == (10, 500), "each thinks a second, waits a second: fifty rounds, the first sent at 1 s"


@pytest.mark.parametrize(
    "times", [Constant(0.2), Exponential(0.05), LogNormal(0.05, 1.0), Bimodal(0.005, 0.5, 0.01)], ids=repr
)
def test_the_mean_that_a_distribution_states_is_the_mean_of_what_it_draws(times: ServiceTime) -> None:
    random = Random(10)
    drawn = [times.draw(random) for _ in range(60_000)]
    assert sum(drawn) / len(drawn) == pytest.approx(times.mean, rel=0.06)
    assert min(drawn) > 0
