"""Date format: the seeds' own date, and the same letters as strftime in the C locale."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.middleware.transform.date_format import date_pattern, format_date


def test_the_seeds_date() -> None:
    assert format_date("2024-01-15T10:30:00Z", "%b %-d, %Y") == "Jan 15, 2024"
    assert format_date("2024-01-05T10:30:00Z", "%b %-d, %Y") == "Jan 5, 2024"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024-01-05T09:07:03.5+02:00", "2024-01-05 09:07:03 500000 +0200"),
        ("2024-01-05t09:07:03z", "2024-01-05 09:07:03 000000 +0000"),
        ("2024-01-05 09:07:03-05:30", "2024-01-05 09:07:03 000000 -0530"),
        ("2024-01-05T09:07", "2024-01-05 09:07:00 000000 "),
        ("2024-01-05", "2024-01-05 00:00:00 000000 "),
        ("2024-01-05T09:07:03.123456789Z", "2024-01-05 09:07:03 123456 +0000"),
    ],
)
def test_times_are_written_as_they_were_read(text: str, value: str) -> None:
    assert format_date(text, "%F %T %f %z") == value


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2024", "2024-13-01", "2024-02-30", "20240115", "2024-W03-1", "2024-01-15T24:00:00Z",
     "2024-01-15T10:30:60Z", "2024-01-15T10", "0000-01-01", " 2024-01-15", "2024-01-15\n", "2024-01-15T10:30+25:00",
     "\u0662024-01-15"],
)  # fmt: skip
def test_what_is_no_time_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        format_date(text, "%Y")


@pytest.mark.parametrize("pattern", ["%Q", "%", "%-", "%-b", "%-%", "%E", "x" * 201])
def test_what_is_not_in_the_table_is_an_error(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"not a part of a date|longer"):
        date_pattern(pattern)


def test_a_percent_sign_can_be_written() -> None:
    assert format_date("2024-01-05", "100%% of %Y\n%%d") == "100% of 2024\n%d"


@given(st.datetimes(min_value=datetime(1900, 1, 1)))  # noqa: DTZ001  # a time zone is added below
def test_the_letters_mean_what_strftime_means(time: datetime) -> None:
    pattern = "%y %m %b %B %d %j %a %A %H %I %M %S %f %p %z"
    time = time.replace(tzinfo=UTC)
    assert format_date(time.isoformat(), pattern) == time.strftime(pattern)
    assert format_date(time.isoformat(), "%-m %-d %-H %-I %Y") == (
        f"{time.month} {time.day} {time.hour} {int(time.strftime('%I'))} {time.year}"
    )


@given(st.text(), st.text(max_size=10))
def test_whatever_comes_there_is_only_one_kind_of_error(text: str, pattern: str) -> None:
    try:
        format_date(text, pattern)
        format_date("2024-01-05", pattern)
    except ValueError:
        pass
