"""At most N in any period: not in each minute of the clock, in any."""

from __future__ import annotations

from itertools import product
from random import Random

from broken import NANOSECONDS, Limiter

PERIOD = 60 * NANOSECONDS


def worst(admitted: list[int], period: int) -> int:
    """The most that lies in any half-open period."""
    return max((sum(begin <= time < begin + period for time in admitted) for begin in admitted), default=0)


def test_who_was_quiet_may_use_all_at_once() -> None:
    limiter = Limiter(100, 60)
    at_once = sum(limiter.acquire("batch", 90 * NANOSECONDS).allowed for _ in range(150))
    assert at_once == 100, f"the contract allows 100 at once, and {at_once} of 150 were admitted"
    assert limiter.acquire("other", 90 * NANOSECONDS).allowed, "another key has a limit of its own"


def test_the_batch_job_on_friday_evening() -> None:
    limiter = Limiter(100, 60)
    times = [59 * NANOSECONDS] * 100 + [60 * NANOSECONDS] * 100
    admitted = sum(limiter.acquire("batch", time).allowed for time in times)
    assert admitted == 100, f"{admitted} calls were let through within one second; the contract says 100 in any minute"


def test_who_keeps_asking_gets_the_whole_limit_again_and_again() -> None:
    limiter = Limiter(10, 60)
    admitted = sum(limiter.acquire("k", second * NANOSECONDS).allowed for second in range(600))
    assert admitted == 100, f"10 a minute for ten minutes are 100; {admitted} were admitted. Refusals must cost nothing"


def test_no_pattern_of_arrivals_gets_more_through() -> None:
    for limit, ticks in product((1, 2, 3), (range(12),)):
        for pattern in product((0, 1, 3), repeat=6):
            limiter, admitted, now = Limiter(limit, 4 / NANOSECONDS), [], 0
            for pause in pattern:
                now += pause
                admitted += [now for _ in ticks[:4] if limiter.acquire("k", now).allowed]
            most = worst(admitted, 4)
            assert most <= limit, f"limit {limit} in 4 ns, pauses {pattern}: {most} came through within 4 ns"


def test_the_time_to_come_back_is_right_to_the_nanosecond() -> None:
    random = Random(8)
    for _ in range(300):
        limiter, now = Limiter(3, 60), 0
        decision = limiter.acquire("k", now)
        for _ in range(3):
            now += random.randrange(PERIOD // 3)
            decision = limiter.acquire("k", now)
        assert not decision.allowed, "four requests within 60 s, of which three may pass: the last was admitted, too"
        wait = decision.retry_after
        assert wait is not None, "a refusal must say when to come back"
        assert not limiter.acquire("k", now + wait - 1).allowed, f"told to come back in {wait} ns, admitted before that"
        assert limiter.acquire("k", now + wait).allowed, f"told to come back in {wait} ns, and refused again then"
