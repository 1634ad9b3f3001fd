"""Rate-limit headers: true, rounded to the client's safe side, and beside what others say."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway import Headers
from api_gateway.core.clock import NANOSECONDS, ManualClock
from api_gateway.middleware.rate_limit.headers import (
    QuotaFields,
    policy_member,
    retry_seconds,
    status_writer,
)
from api_gateway.rate_limiting import Decision
from api_gateway.rate_limiting.limit_store import AlgorithmName, Limit
from api_gateway.rate_limiting.limiters import LIMITERS, at_once

TIMED: tuple[AlgorithmName, ...] = (
    *("fixed_window", "sliding_window_log", "sliding_window_counter"),
    *("token_bucket", "leaky_bucket", "leaky_bucket_queue", "gcra"),
)  # fmt: skip
SECOND = NANOSECONDS


def admitted(remaining: int, reset_after: int, limit: int = 10) -> Decision:
    return Decision(True, limit, remaining, reset_after, None)


def refused(reset_after: int, retry_after: int | None, limit: int = 10) -> Decision:
    return Decision(False, limit, 0, reset_after, retry_after)


@pytest.mark.parametrize(
    ("limit", "member"),
    [
        (Limit("w", "fixed_window", 100, 60.0), '"w";q=100;w=60'),
        (Limit("w", "sliding_window_log", 3, 0.5), '"w";q=3;w=1'),
        (Limit("b", "token_bucket", 100, 1.0, 200), '"b";q=200;w=2'),
        (Limit("b", "gcra", 60, 60.0, 5), '"b";q=5;w=5'),
        (Limit("b", "gcra", 90, 60.0, 1), '"b";q=1;w=1'),
        (Limit("b", "gcra", 3, 60.0), '"b";q=3;w=60'),
        (Limit("s", "leaky_bucket_queue", 10, 1.0, 9), '"s";q=10;w=1'),
        (Limit("s", "leaky_bucket_queue", 10, 1.0, 0), '"s";q=1;w=1'),
        (Limit("c", "concurrency", 5), '"c";q=5;qu="concurrent-requests"'),
        (Limit('a"b\\ü', "gcra", 1, 1.0), '"a\\"b\\\\?";q=1;w=1'),
    ],
)
def test_a_policy_says_what_can_be_spent_at_once_and_when_it_is_back(limit: Limit, member: str) -> None:
    assert policy_member(limit) == member


@given(st.sampled_from(TIMED), st.integers(1, 50), st.sampled_from([0.5, 1.0, 7.0, 60.0]), st.integers(1, 50))
def test_what_a_policy_states_is_never_more_than_it_gives_and_never_less_than_its_limiter_says(
    algorithm: AlgorithmName, count: int, period: float, burst: int
) -> None:
    limit = Limit("x", algorithm, count, period, None if "window" in algorithm else burst)
    stated = re.fullmatch(r'"x";q=(\d+);w=(\d+)', policy_member(limit))
    assert stated is not None
    quota, window = int(stated[1]), int(stated[2])
    assert Fraction(quota, window) <= Fraction(count) / Fraction(period)
    made = LIMITERS[algorithm](count, period, limit.burst)
    assert made.acquire("key", 0).limit == at_once(limit) == quota


@given(
    st.sampled_from(["token_bucket", "leaky_bucket", "leaky_bucket_queue", "gcra", "fixed_window"]),
    st.integers(1, 7),
    st.sampled_from([1.0, 3.0, 10.0]),
    st.lists(st.integers(0, 3 * SECOND), min_size=1, max_size=12),
)
def test_t_is_when_there_is_more(algorithm: AlgorithmName, count: int, period: float, pauses: list[int]) -> None:
    limit = Limit("x", algorithm, count, period)
    limiter, write = LIMITERS[algorithm](count, period, None), status_writer(limit)
    now = 0
    for pause in pauses:
        now += pause
        decision = limiter.acquire("key", now)
        said = re.fullmatch(r'"x";r=(\d+);t=(\d+)', write(decision))
        assert said is not None
        assert int(said[1]) == decision.remaining
        after = int(said[2])
        assert limiter.acquire("key", now + after * SECOND, 0).remaining > decision.remaining
        # Rounding of a ratio may cost an interval, never more.
        interval = int(period * SECOND) if algorithm == "fixed_window" else int(period * SECOND / count)
        assert after <= interval // SECOND + 1


@pytest.mark.parametrize(
    ("algorithm", "decision", "member"),
    [
        ("gcra", admitted(9, SECOND // 10), '"x";r=9;t=1'),
        ("gcra", admitted(5, 50 * SECOND), '"x";r=5;t=10'),
        ("gcra", refused(100 * SECOND, 1), '"x";r=0;t=1'),
        ("fixed_window", admitted(5, 42 * SECOND + 1), '"x";r=5;t=43'),
        ("sliding_window_log", refused(60 * SECOND, 7 * SECOND), '"x";r=0;t=7'),
        ("concurrency", admitted(4, 0), '"x";r=4'),
    ],
)
def test_a_status_says_what_is_left_and_when_there_is_more(
    algorithm: AlgorithmName, decision: Decision, member: str
) -> None:
    assert status_writer(Limit("x", algorithm, 10, 100.0))(decision) == member


@pytest.mark.parametrize(
    ("retry_after", "seconds"), [(0, 1), (1, 1), (SECOND, 1), (SECOND + 1, 2), (7 * SECOND, 7), (None, None)]
)
def test_retry_after_is_whole_seconds_never_early_and_never_zero(retry_after: int | None, seconds: int | None) -> None:
    assert retry_seconds(refused(0, retry_after)) == seconds


BURST, DAILY = Limit("burst", "gcra", 10, 10.0), Limit("daily", "fixed_window", 1000, 86400.0)


def test_several_limits_are_members_of_one_list() -> None:
    decisions = [admitted(9, SECOND), admitted(412, 3600 * SECOND, 1000)]
    headers = QuotaFields([BURST, DAILY]).added_to(Headers({"a": "b"}), decisions, decisions[0])
    assert list(headers) == [
        ("a", "b"),
        ("ratelimit-policy", '"burst";q=10;w=10, "daily";q=1000;w=86400'),
        ("ratelimit", '"burst";r=9;t=1, "daily";r=412;t=3600'),
    ]


def test_what_is_there_already_stays_because_it_holds_too() -> None:
    headers = Headers([("ratelimit-policy", '"own";q=1;w=1'), ("ratelimit", '"own";r=0;t=1')])
    added = QuotaFields([BURST]).added_to(headers, [admitted(9, SECOND)], admitted(9, SECOND))
    assert added.tokens("ratelimit") == ['"own";r=0;t=1', '"burst";r=9;t=1']
    assert added.tokens("ratelimit-policy") == ['"own";q=1;w=1', '"burst";q=10;w=10']


def legacy(headers: Headers, decision: Decision) -> tuple[str | None, ...]:
    added = QuotaFields([BURST], ManualClock(wall=1609459199.5)).added_to(headers, [decision], decision)
    assert len(added.get_all("x-ratelimit-limit")) == 1
    return tuple(added.get(f"x-ratelimit-{name}") for name in ("limit", "remaining", "reset"))


def test_the_older_headers_state_the_reset_as_a_unix_time() -> None:
    assert legacy(Headers(), admitted(9, SECOND // 2)) == ("10", "9", "1609459200")
    assert legacy(Headers(), refused(SECOND, SECOND)) == ("10", "0", "1609459201")


def test_of_the_older_headers_the_tightest_is_kept() -> None:
    def theirs(remaining: str) -> Headers:
        values = {"limit": "100", "remaining": remaining, "reset": "1"}
        return Headers({f"x-ratelimit-{name}": value for name, value in values.items()})

    assert legacy(theirs("3"), admitted(9, 0)) == ("100", "3", "1")
    assert legacy(theirs("30"), admitted(9, 0))[:2] == ("10", "9")
    for nonsense in ("", "-1", "none", "9" * 5000, "\xb2"):
        assert legacy(theirs(nonsense), admitted(9, 0))[:2] == ("10", "9")


def test_without_a_clock_the_older_headers_are_not_sent() -> None:
    headers = QuotaFields([BURST]).added_to(Headers(), [admitted(9, 0)], admitted(9, 0))
    assert not any(name.startswith("x-ratelimit") for name, _ in headers)
