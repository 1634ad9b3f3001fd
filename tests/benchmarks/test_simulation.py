"""The benchmark of the laboratory: what it counts has happened."""

from __future__ import annotations

from benchmarks import simulation
from benchmarks.machine import Machine
from benchmarks.simulation import simulated


def test_every_row_is_measured_and_the_bar_is_on_six_layers() -> None:
    report = simulation.run(Machine(()), requests=200, rounds=1)
    rates = report.figures["requests_per_cpu_second"]
    assert isinstance(rates, dict)
    assert all(rate > 0 for rate in rates.values())
    assert report.bars[0].value == rates["six layers"]


def test_layers_cost_something() -> None:
    hundred = {"retry": {}, "circuit_breaker": {}, "hedge": {"after": "1s"}, "concurrency": {"limit": 1000}}
    plain, laden = (max(simulated(300, policies) for _ in range(3)) for policies in ({}, hundred))
    assert laden < plain
