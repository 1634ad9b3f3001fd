"""The adaptive throttle against its formula, and what it does to a service that accepts only so much."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.resilience.adaptive_throttle import AdaptiveThrottle

SECOND = 1_000_000_000


def asked(
    throttle: AdaptiveThrottle, capacity: int, demand: int, seconds: int, *, start: int = 0, seed: int = 1
) -> list[int]:
    """How many requests reach, in each second, a service that accepts the first `capacity` of them."""
    random = Random(seed)
    reached = []
    for second in range(start, start + seconds):
        sent = 0
        for number in range(demand):
            now = second * SECOND + number * SECOND // demand
            if throttle.admit(now, random.random()):
                throttle.record(now, accepted=sent < capacity)
                sent += 1
        reached.append(sent)
    return reached


@pytest.mark.parametrize(("k", "expected"), [(2.0, 202), (1.1, 108)])
def test_a_service_that_is_asked_for_ten_times_its_capacity_sees_about_k_times_it(k: float, expected: int) -> None:
    throttle = AdaptiveThrottle(k)
    reached = asked(throttle, 100, 1000, 300)
    settled = sum(reached[120:]) / len(reached[120:])
    # One of (requests + 1) and the accepts that chance leaves out in a second move it by a few of a hundred.
    assert settled == pytest.approx(expected, rel=0.04)
    assert settled == pytest.approx(k * 100, rel=0.04)


def test_a_healthy_service_is_never_throttled() -> None:
    assert asked(AdaptiveThrottle(1.0), 100, 100, 300) == [100] * 300


def test_a_throttle_that_knows_nothing_refuses_nothing_however_many_begin_at_once() -> None:
    throttle = AdaptiveThrottle()
    assert all(throttle.admit(0, 0.0) for _ in range(1000))


def test_after_a_total_outage_the_service_is_used_again() -> None:
    throttle = AdaptiveThrottle()
    outage = asked(throttle, 0, 200, 300)
    assert sum(outage[120:]) / 180 == pytest.approx(2, rel=0.2)  # one of a hundred still goes out
    assert half_of_it_again(throttle) == pytest.approx(330, rel=0.1)
    without = AdaptiveThrottle(ceiling=1.0)
    asked(without, 0, 200, 300)
    assert max(asked(without, 200, 200, 501, start=300)) < 100


def half_of_it_again(throttle: AdaptiveThrottle) -> int:
    """How many seconds after an outage of 300 s a healthy service has half of 200 requests/s, then all of them."""
    reached = asked(throttle, 200, 200, 700, start=300)
    assert reached[-100:] == [200] * 100
    return next(second for second, sent in enumerate(reached) if sent >= 100)


events = st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["accepted", "refused", "here"])), max_size=100)


@given(events, st.floats(1, 4), st.floats(0, 1), st.integers(1, 5), st.integers(1, 10))
def test_the_probability_is_the_formula_over_the_window(
    script: list[tuple[int, str]], k: float, ceiling: float, width: int, buckets: int
) -> None:
    throttle = AdaptiveThrottle(k, window=width * buckets, buckets=buckets, ceiling=ceiling)
    history: list[tuple[int, bool]] = []
    now = 0
    for step, event in script:
        now += step
        if event != "here":
            throttle.record(now, accepted=event == "accepted")
            history.append((now, event == "accepted"))
        elif throttle.refusal_probability(now) > 0:
            assert not throttle.admit(now, 0.0)
            history.append((now, False))
        inside = [accepted for at, accepted in history if at // width > now // width - buckets]
        p = min(ceiling, max(0.0, (len(inside) - k * sum(inside)) / (len(inside) + 1)))
        assert throttle.refusal_probability(now) == p
        assert throttle.admit(now, p)


def test_the_draw_decides_at_the_probability_and_not_before() -> None:
    throttle = AdaptiveThrottle()
    throttle.record(0, accepted=False)
    assert throttle.refusal_probability(0) == 0.5
    assert throttle.admit(0, 0.5)
    assert not throttle.admit(0, 0.4999)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0.9}, "k must be at least 1"),
        ({"k": float("nan")}, "k must be at least 1"),
        ({"ceiling": 1.1}, "ceiling must be from 0 to 1"),
        ({"window": 10, "buckets": 3}, "positive multiple of 3"),
    ],
)
def test_numbers_that_make_no_sense_are_errors(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AdaptiveThrottle(**options)  # type: ignore[arg-type]  # whole numbers where they must be
