"""Backoff: exact bounds, and what jitter is for."""

from __future__ import annotations

import heapq
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.resilience.backoff import JITTERS, Backoff

MS = 1_000_000

sizes = st.tuples(st.integers(1, 10**9), st.integers(0, 10**12)).map(lambda pair: (pair[0], sum(pair)))
attempts = st.one_of(st.integers(0, 8), st.integers(0, 10**6))


class _Extreme(Random):
    """Chance that always gives its least or its greatest whole number."""

    def __init__(self, greatest: bool) -> None:
        super().__init__(0)
        self.greatest = greatest

    def _randbelow(self, n: int) -> int:
        return n - 1 if self.greatest else 0


def _extremes(jitter: str, base: int, cap: int, attempt: int, previous: int | None = None) -> tuple[int, int]:
    least, most = (
        Backoff(base, cap, _Extreme(greatest), jitter).delay(attempt, previous) for greatest in (False, True)
    )
    return least, most


@given(sizes, attempts)
def test_the_ceiling_doubles_up_to_the_cap(size: tuple[int, int], attempt: int) -> None:
    base, cap = size
    expected = base
    for _ in range(min(attempt, 64)):
        expected = min(cap, 2 * expected)
    assert Backoff(base, cap, Random(0)).ceiling(attempt) == expected


@given(sizes, attempts)
def test_without_jitter_the_wait_is_the_ceiling(size: tuple[int, int], attempt: int) -> None:
    ceiling = Backoff(*size, Random(0)).ceiling(attempt)
    assert _extremes("none", *size, attempt) == (ceiling, ceiling)


@given(sizes, attempts)
def test_full_jitter_reaches_from_0_to_just_below_the_ceiling(size: tuple[int, int], attempt: int) -> None:
    assert _extremes("full", *size, attempt) == (0, Backoff(*size, Random(0)).ceiling(attempt) - 1)


@given(sizes, attempts)
def test_equal_jitter_keeps_half_of_the_ceiling(size: tuple[int, int], attempt: int) -> None:
    ceiling = Backoff(*size, Random(0)).ceiling(attempt)
    assert _extremes("equal", *size, attempt) == (ceiling // 2, ceiling - 1)


@given(sizes, attempts, st.one_of(st.none(), st.integers(0, 10**12)))
def test_decorrelated_jitter_grows_from_the_wait_before(
    size: tuple[int, int], attempt: int, previous: int | None
) -> None:
    base, cap = size
    before = base if previous is None else previous
    assert _extremes("decorrelated", base, cap, attempt, previous) == (base, min(cap, max(base, 3 * before - 1)))


@given(sizes, st.sampled_from(sorted(JITTERS)), st.integers(0, 2**32))
def test_the_same_seed_gives_the_same_waits(size: tuple[int, int], jitter: str, seed: int) -> None:
    first, second = (Backoff(*size, Random(seed), jitter) for _ in range(2))
    assert [first.delay(n) for n in range(9)] == [second.delay(n) for n in range(9)]


def test_full_jitter_is_even_over_its_range() -> None:
    backoff = Backoff(10, 10, Random(1))
    counts = Counter(backoff.delay(0) for _ in range(20_000))
    assert sorted(counts) == list(range(10))
    assert all(1800 < count < 2200 for count in counts.values())  # 2,000 and 4.7 standard deviations


def _calls(jitter: str, seed: int) -> int:
    """How many calls 1,000 clients make that start at once, when 10 succeed in each 100 ms."""
    backoff = Backoff(100 * MS, 10_000 * MS, Random(seed), jitter)
    waiting: list[tuple[int, int, int, int | None]] = [(0, client, 0, None) for client in range(1000)]
    served: Counter[int] = Counter()
    calls = 0
    while waiting:
        now, client, attempt, previous = heapq.heappop(waiting)
        calls += 1
        if served[now // (100 * MS)] < 10:
            served[now // (100 * MS)] += 1
        else:
            wait = backoff.delay(attempt, previous)
            heapq.heappush(waiting, (now + wait, client, attempt + 1, wait))
    return calls


def test_a_thousand_clients_without_jitter_make_50500_calls() -> None:
    assert _calls("none", seed=0) == 50_500 == sum(range(10, 1001, 10))


@pytest.mark.parametrize(("jitter", "expected"), [("full", 7304), ("equal", 7116), ("decorrelated", 7484)])
def test_a_thousand_clients_with_jitter_make_a_seventh_of_it(jitter: str, expected: int) -> None:
    for seed in range(5):
        assert abs(_calls(jitter, seed) - expected) < 0.04 * expected


def test_numbers_and_names_that_make_no_sense_are_errors() -> None:
    with pytest.raises(ValueError, match="base must be at least 1 nanosecond, not 0"):
        Backoff(0, 10, Random(0))
    with pytest.raises(ValueError, match="cap must be at least base, 10, not 9"):
        Backoff(10, 9, Random(0))
    with pytest.raises(ValueError, match="jitter must be one of none, full, equal, decorrelated, not 'half'"):
        Backoff(1, 1, Random(0), "half")
