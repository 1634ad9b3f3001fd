"""The table: bounded, drops only the idle, keeps the live whatever floods in, and never scans."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.rate_limiting import keyed_state
from api_gateway.rate_limiting.keyed_state import KeyedState


def is_over(end: int, now: int) -> bool:
    """An entry here is the time at which it becomes idle."""
    return end <= now


class CountingIdle:
    """Counts how many entries were looked at."""

    def __init__(self) -> None:
        self.looked_at = 0

    def __call__(self, end: int, now: int) -> bool:
        self.looked_at += 1
        return end <= now


@pytest.fixture
def early_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables worth a sweep at eight entries, so that small tests see many sweeps."""
    monkeypatch.setattr(keyed_state, "_WORTH_A_SWEEP", 8)
    monkeypatch.setattr(keyed_state, "_PUT_ASIDE", 5)


def test_what_is_put_is_there() -> None:
    table = KeyedState[int](is_over)
    assert table.put("a", 10, 0)
    assert table.get("a") == 10
    assert table.get("b") is None
    assert len(table) == 1


@pytest.mark.usefixtures("early_sweeps")
@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 25), st.integers(0, 5), st.integers(0, 40)), max_size=300), st.integers(1, 30))
def test_it_agrees_with_a_plain_dictionary_of_live_entries(asked: list[tuple[int, int, int]], room: int) -> None:
    table = KeyedState[int](is_over, room)
    live: dict[str, int] = {}
    now = 0
    for number, passed, lasts in asked:
        now += passed
        key = f"key-{number}"
        known = table.get(key)
        if table.put(key, now + lasts, now):
            live[key] = now + lasts
        else:
            assert known is None
        live = {key: end for key, end in live.items() if end > now}
        assert len(table) <= room
        for key, end in live.items():
            assert table.get(key) == end


def test_a_flood_of_new_keys_cannot_push_out_a_live_one() -> None:
    """A least-recently-used cache of 1024 forgets a victim, or the attacker's own refusals, by then."""
    table = KeyedState[int](is_over, 1024)
    table.put("victim", 10**9, 0)
    for number in range(20_000):
        table.put(f"flood-{number}", 10**9, number)
    assert table.get("victim") == 10**9
    assert len(table) == 1024
    assert table.overflows == 20_001 - 1024


def test_room_taken_by_idle_keys_is_found_for_new_ones() -> None:
    table = KeyedState[int](is_over, 1000)
    for number in range(1000):
        table.put(f"old-{number}", 50, 0)
    assert not table.put("early", 99, 49)
    assert all(table.put(f"new-{number}", 100, 50) for number in range(900))


def fill_half(dice: random.Random, half: int) -> None:
    """New keys for ever, of which never more than `half` are live, into a table for twice as many."""
    table = KeyedState[int](is_over, 2 * half)
    live: list[int] = []
    now = 0
    for number in range(40 * half):
        live = [end for end in live if end > now]
        if len(live) >= half:
            now = min(live) if dice.random() < 0.5 else max(live)
            live = [end for end in live if end > now]
        end = now + dice.randrange(1, 50)
        assert table.put(f"key-{number}", end, now)
        live.append(end)


@settings(max_examples=15)
@given(st.randoms(use_true_random=False), st.integers(2, 40))
def test_no_key_is_refused_while_at_most_half_of_the_room_is_taken_by_live_ones(dice: random.Random, half: int) -> None:
    fill_half(dice, half)


@pytest.mark.usefixtures("early_sweeps")
@settings(max_examples=15)
@given(st.randoms(use_true_random=False), st.integers(2, 40))
def test_nor_where_sweeps_begin_before_the_table_is_full(dice: random.Random, half: int) -> None:
    fill_half(dice, half)


def test_one_idle_key_among_many_live_ones_is_found_after_a_quarter_as_many_refusals() -> None:
    table = KeyedState[int](is_over, 4000)
    dice = random.Random(1)
    idle = dice.randrange(4000)
    for number in range(4000):
        table.put(f"key-{number}", 10 if number == idle else 10**9, 0)
    refusals = 0
    while not table.put("new", 10**9, 20):
        refusals += 1
    assert 0 < refusals <= 4000 / 4
    assert table.get(f"key-{idle}") is None


def test_a_new_key_is_never_kept_waiting_for_a_scan() -> None:
    idle = CountingIdle()
    table = KeyedState[int](idle, 50_000)
    most = 0
    for number in range(120_000):
        before = idle.looked_at
        table.put(f"key-{number}", 10**9, number)
        most = max(most, idle.looked_at - before)
    assert table.overflows == 70_000
    assert 0 < most <= 8


@pytest.mark.usefixtures("early_sweeps")
def test_a_table_shrinks_to_what_is_live_while_new_keys_come() -> None:
    table = KeyedState[int](is_over)
    largest = 0
    for number in range(50_000):
        table.put(f"key-{number}", number + 100, number)
        largest = max(largest, len(table))
    assert largest <= 5 * 100 + 16


def test_many_keys_in_sequence_do_not_grow_it_past_its_bound() -> None:
    table = KeyedState[int](is_over, 5_000)
    for number in range(200_000):
        table.put(f"key-{number}", number + 1000, number)
        assert len(table) <= 5_000
    assert table.overflows == 0


def test_after_a_sweep_its_memory_is_given_back() -> None:
    table = KeyedState[int](is_over, 4000)
    for number in range(3000):
        table.put(f"early-{number}", 10, 0)
    for number in range(900):
        table.put(f"late-{number}", 10**9, 10)
    assert (len(table), len(table.old)) == (900, 0)
    assert table.old.__sizeof__() == {}.__sizeof__()


def test_a_state_is_changed_where_it_lies() -> None:
    table = KeyedState[int](is_over, 8)
    for number in range(7):
        table.put(f"key-{number}", 100, 0)
    for key in [*table.old, *table.young]:
        was_old = key in table.old
        assert table.put(key, 200, 0)
        assert (key in table.old) == was_old
        assert (key in table.young) != was_old
        assert table.get(key) == 200
        table.restore(key, 100)
        assert table.get(key) == 100
    assert table.old
    assert table.young


def test_a_dictionary_is_put_aside_when_it_fills_its_places() -> None:
    """Else it would double, and two thirds of it would be empty."""
    table = KeyedState[int](is_over)
    for number in range(100_000):
        table.put(f"key-{number}", 10**9, 0)
    assert (len(table.old), len(table.young)) == (87_381, 12_619)
    assert (table.old.__sizeof__() + table.young.__sizeof__()) / 100_000 < 24


def test_a_put_can_be_undone() -> None:
    table = KeyedState[int](is_over)
    table.put("a", 10, 0)
    table.restore("a", None)
    assert table.get("a") is None
    table.put("a", 10, 0)
    table.put("a", 20, 5)
    table.restore("a", 10)
    assert table.get("a") == 10


def test_a_table_without_room_for_one_is_an_error() -> None:
    with pytest.raises(ValueError, match="max_keys must be at least 1, not 0"):
        KeyedState[int](is_over, 0)
