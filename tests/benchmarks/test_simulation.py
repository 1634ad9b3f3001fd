"""The benchmark of the laboratory: what it counts has happened."""

from __future__ import annotations

import pytest

from benchmarks import simulation
from benchmarks.machine import Machine
from benchmarks.simulation import simulated


def test_every_row_is_measured_and_the_bar_is_on_six_layers() -> None:
    report = simulation.run(Machine(()), requests=200, rounds=1)
    rates = report.figures["requests_per_second"]
    assert isinstance(rates, dict)
    assert all(rate > 0 for rate in rates.values())
    assert report.bars[0].value == rates["six layers"]


def test_what_is_simulated_has_been_answered() -> None:
    assert simulated(100, {}) > 0
    with pytest.raises(AssertionError):
        simulated(100, {"concurrency": {"limit": 1}})
