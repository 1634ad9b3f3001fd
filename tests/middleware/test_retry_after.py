"""Retry-After: seconds, all forms of a date, and what is neither."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway import Response
from api_gateway.core.clock import NANOSECONDS, ManualClock
from api_gateway.middleware.retry_after import retry_after

NOW = 784111777  # Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110
CLOCK = ManualClock(wall=NOW)


def seconds(value: str) -> float | None:
    wait = retry_after(Response(503, {"retry-after": value}), CLOCK)
    return None if wait is None else wait / NANOSECONDS


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("0", 0),
        ("120", 120),
        ("007", 7),
        ("Sun, 06 Nov 1994 08:49:47 GMT", 10),
        ("Sunday, 06-Nov-94 08:49:47 GMT", 10),
        ("Sun Nov  6 08:49:47 1994", 10),
        ("Sun, 06 Nov 1994 08:49:47 -0000", 10),
        ("Sun, 06 Nov 1994 08:49:27 GMT", 0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ],
)
def test_seconds_and_dates_are_read(value: str, wait: float) -> None:
    assert seconds(value) == wait


@pytest.mark.parametrize(
    "value", ["", "-1", "1.5", "1, 2", "soon", "1e3", "\u00b2", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994"]
)
def test_what_is_neither_says_nothing(value: str) -> None:
    assert seconds(value) is None


def test_digits_without_end_are_a_long_time_and_no_trouble() -> None:
    wait = seconds("9" * 5000)
    assert wait is not None
    assert wait > 10**11


def test_no_field_says_nothing() -> None:
    assert retry_after(Response(503), CLOCK) is None


@given(
    st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]))
    | st.from_regex(
        r"[A-Z][a-z]{2},? [0-9]{1,4}[ -][A-Z][a-z]{2}[ -][0-9]{1,5} [0-9:]{1,9} ?[A-Z+0-9-]{0,6}", fullmatch=True
    )
)
def test_nothing_a_service_says_is_an_error(value: str) -> None:
    wait = seconds(value)
    assert wait is None or wait >= 0
