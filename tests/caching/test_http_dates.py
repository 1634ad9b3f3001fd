"""HTTP dates: three forms, exact but for the case of letters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.caching.http_dates import http_date, parse_http_date

_THEN, _NOW = 784111777.0, 1_795_266_000.0


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "SUN, 06 nov 1994 08:49:37 gMt",  # RFC 9111 4.2: either case
        " Sun, 06 Nov 1994 08:49:37 GMT\t",
        "Mon, 06 Nov 1994 08:49:37 GMT",  # the weekday is not compared
    ],
)
def test_a_date_in_each_form(text: str) -> None:
    assert parse_http_date(text, _NOW) == _THEN


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-1",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "Sun, 06  Nov  1994 08:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08.49.37 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 25:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, \u0660\u0666 Nov 1994 08:49:37 GMT",
    ],
)
def test_what_is_nearly_a_date_is_none(text: str) -> None:
    assert parse_http_date(text, _NOW) is None


def test_a_leap_second_is_the_end_of_its_minute() -> None:
    assert parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT", _NOW) == parse_http_date(
        "Sat, 31 Dec 2016 23:59:59 GMT", _NOW
    )


@pytest.mark.parametrize(("digits", "year"), [("94", 1994), ("26", 2026), ("70", 2070), ("76", 2076), ("78", 1978)])
def test_a_year_of_two_digits_is_at_most_50_years_ahead(digits: str, year: int) -> None:
    assert parse_http_date(f"Sunday, 06-Nov-{digits} 08:49:37 GMT", _NOW) == parse_http_date(
        f"Sun, 06 Nov {year} 08:49:37 GMT", _NOW
    )


@given(st.integers(0, 4_000_000_000))
def test_what_is_written_is_read_back(seconds: int) -> None:
    assert parse_http_date(http_date(seconds), _NOW) == seconds


@given(st.text(st.characters(max_codepoint=255)))
def test_reading_never_fails(text: str) -> None:
    assert parse_http_date(text, _NOW) is None
