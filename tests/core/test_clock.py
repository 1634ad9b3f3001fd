"""Clocks: the machine's, and one that moves by hand."""

from __future__ import annotations

import time

import pytest

from api_gateway.core.clock import NANOSECONDS, Clock, ManualClock, SystemClock


def test_the_system_clock_is_the_machines() -> None:
    clock: Clock = SystemClock()
    before = (time.monotonic_ns(), time.time())
    now = (clock.monotonic(), clock.wall())
    after = (time.monotonic_ns(), time.time())
    assert isinstance(now[0], int)
    assert before[0] <= now[0] <= after[0]
    assert before[1] <= now[1] <= after[1]


def test_a_manual_clock_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(monotonic=5, wall=100.0)
    assert (clock.monotonic(), clock.monotonic(), clock.wall()) == (5, 5, 100.0)
    clock.advance(1.5)
    assert (clock.monotonic(), clock.wall()) == (5 + 1_500_000_000, 101.5)
    clock.advance(0)
    assert clock.monotonic() == 5 + 1_500_000_000


def test_a_manual_clock_adds_nanoseconds_exactly() -> None:
    clock = ManualClock()
    for _ in range(10):
        clock.advance(0.1)
    assert clock.monotonic() == NANOSECONDS


def test_a_clock_does_not_go_back() -> None:
    clock = ManualClock()
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)
    assert clock.monotonic() == 0
