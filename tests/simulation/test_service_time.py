"""Service times: what is drawn has the mean that is stated."""

from random import Random

import pytest

from api_gateway.simulation.service_time import Bimodal, Constant, Exponential, LogNormal, ServiceTime, Stalling


@pytest.mark.parametrize(
    "service_time",
    [
        Constant(0.2),
        Exponential(0.05),
        LogNormal(0.05, 0.5),
        Bimodal(0.005, 0.5, 0.1),
        Stalling(Exponential(0.05), 1.0, 0.1),
    ],
    ids=lambda one: type(one).__name__,
)
def test_the_average_of_many_is_the_mean(service_time: ServiceTime) -> None:
    random = Random(1)
    drawn = [service_time.draw(random) for _ in range(40_000)]
    assert sum(drawn) / len(drawn) == pytest.approx(service_time.mean, rel=0.03)


def test_a_stall_is_anything_up_to_the_longest() -> None:
    random = Random(1)
    stalls = [one for one in (Stalling(Constant(0), 2.0, 0.5).draw(random) for _ in range(10_000)) if one]
    assert len(stalls) == pytest.approx(5_000, rel=0.05)
    assert max(stalls) < 2.0
    assert sum(one < 0.5 for one in stalls) / len(stalls) == pytest.approx(0.25, abs=0.02)
