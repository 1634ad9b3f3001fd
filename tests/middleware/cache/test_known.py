"""Cache known: keys are remembered for a while, and not too many."""

from __future__ import annotations

from api_gateway.core.clock import ManualClock
from api_gateway.middleware.cache.known import Known


def test_a_key_is_known_for_its_time() -> None:
    clock = ManualClock(wall=100.0)
    known = Known(5.0, clock)
    assert known.since("a") is None
    known.add("a")
    clock.advance(4.9)
    assert known.since("a") == 100.0
    clock.advance(0.1)
    assert known.since("a") is None
    assert len(known) == 0


def test_the_oldest_is_forgotten_where_there_is_no_room() -> None:
    known = Known(5.0, ManualClock(), most=2)
    for key in ("a", "b", "a", "c"):
        known.add(key)
    assert [known.since(key) is not None for key in "abc"] == [True, False, True]
    known.discard("a")
    known.discard("a")
    assert known.since("a") is None


def test_what_it_remembers_is_bounded() -> None:
    clock = ManualClock()
    known = Known(5.0, clock, most=100)
    for number in range(1000):
        known.add(f"key {number}")
        assert len(known) <= 100
        assert known.since(f"key {max(0, number - 49)}") is not None, "the newest half is always known"
    assert known.since("key 0") is None
