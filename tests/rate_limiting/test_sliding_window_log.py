"""The log by example, and what it takes."""

from __future__ import annotations

from api_gateway.rate_limiting import SlidingWindowLog
from api_gateway.rate_limiting.sliding_window_log import Log
from tests.support.rate_limiters import limiter

SECOND = 10**9


def test_a_stamp_counts_for_exactly_a_period() -> None:
    subject = SlidingWindowLog(2, 10)
    subject.acquire("key", 0)
    subject.acquire("key", 4 * SECOND)
    assert subject.acquire("key", 5 * SECOND) == (False, 2, 0, 9 * SECOND, 5 * SECOND, 0)
    assert subject.acquire("key", 5 * SECOND, 2).retry_after == 9 * SECOND
    assert not subject.acquire("key", 10 * SECOND - 1).allowed
    assert subject.acquire("key", 10 * SECOND).allowed


def test_a_stamp_that_is_over_makes_room_at_that_very_nanosecond() -> None:
    subject = SlidingWindowLog(5, 10)
    for second in (0, 3, 6):
        subject.acquire("key", second * SECOND)
    assert subject.acquire("key", 10 * SECOND).remaining == 2
    assert subject.acquire("key", 13 * SECOND - 1).remaining == 1
    assert subject.acquire("key", 13 * SECOND).remaining == 1


def stored(subject: object) -> Log:
    assert isinstance(subject, SlidingWindowLog)
    log = subject.table.get("key")
    assert log is not None
    return log


def test_it_never_holds_more_than_twice_the_limit() -> None:
    subject = limiter(SlidingWindowLog, 100, 1000)
    for now in range(50_000):
        subject.acquire("key", now)
        assert len(stored(subject).stamps) <= 200
    assert stored(subject).stamps.itemsize == 8


def test_stamps_that_are_over_are_cleared_in_whatever_rhythm_they_come() -> None:
    subject = limiter(SlidingWindowLog, 100, 1000)
    for burst in range(50):
        for _ in range(100):
            assert subject.acquire("key", burst * 1000).allowed
    assert len(stored(subject).stamps) <= 200
    assert subject.acquire("key", 60_000).remaining == 99
    assert len(stored(subject).stamps) == 1


def test_logs_are_equal_by_what_counts() -> None:
    subject = limiter(SlidingWindowLog, 2, 10)
    log = subject.decide(None, 5, 2)[0]
    assert isinstance(log, Log)
    older = Log(log.stamps[:1] + log.stamps, 1)
    assert older == log
    assert older != Log(log.stamps[:1])
    assert log != "log"
