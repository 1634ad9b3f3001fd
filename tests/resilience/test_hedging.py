"""Hedging: what it does to the tail, and what it may cost."""

from __future__ import annotations

import heapq
from random import Random

import pytest

from api_gateway.resilience.hedging import Hedging

MS = 1_000_000
SECOND = 1000 * MS


def _takes(random: Random) -> int:
    """99 % exponential of 5 ms, 1 % even over a second."""
    return round(random.expovariate(0.2) * MS) if random.random() < 0.99 else round(random.random() * SECOND)


def _latencies(hedging: Hedging | None, seed: int, requests: int = 20_000) -> tuple[list[int], int]:
    """Sorted latencies of requests at 1,000 a second, and how many extra calls were made."""
    random = Random(seed)
    late: list[tuple[int, int, int]] = []
    latencies: list[int] = []
    extra = 0
    for number in range(requests):
        now = number * MS
        while late and late[0][0] <= now:
            due, first, started = heapq.heappop(late)
            assert hedging is not None
            if hedging.acquire(due):
                extra += 1
                first = min(first, due + _takes(random))
            latencies.append(first - started)
        answer = now + _takes(random)
        due = answer if hedging is None else hedging.record_request(now)
        if due < answer:
            heapq.heappush(late, (due, answer, now))
        else:
            latencies.append(answer - now)
    return sorted(latencies), extra


@pytest.mark.parametrize("seed", range(3))
def test_a_twentieth_more_calls_takes_most_of_the_tail_away(seed: int) -> None:
    alone, _ = _latencies(None, seed)
    after = alone[len(alone) * 95 // 100]
    hedged, extra = _latencies(Hedging(after, max_extra=0.06), seed)
    assert alone[len(alone) * 999 // 1000] > 800 * MS
    assert hedged[len(hedged) * 999 // 1000] < 60 * MS
    assert 0.045 < extra / 20_000 < 0.06


def test_when_everything_is_slow_the_budget_stops_it() -> None:
    hedging = Hedging(after=0, max_extra=0.05)
    extra = 0
    for number in range(10_000):
        due = hedging.record_request(number * MS)
        extra += hedging.acquire(due)
    assert extra == 500


def test_it_says_when_a_call_is_late() -> None:
    assert Hedging(50 * MS, 0.05).record_request(7) == 7 + 50 * MS


def test_a_quiet_service_may_hedge_once_in_a_window() -> None:
    hedging = Hedging(0, 0.05)
    hedging.record_request(0)
    assert [hedging.acquire(now) for now in (0, 0, 10 * SECOND)] == [True, False, True]


def test_numbers_that_make_no_sense_are_errors() -> None:
    with pytest.raises(ValueError, match="after must not be negative, is -1"):
        Hedging(-1, 0.05)
    with pytest.raises(ValueError, match="share must be greater than 0"):
        Hedging(1, 0)
