"""Byte range: parts of ten bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.caching.byte_range import wanted_part
from api_gateway.core.headers import Headers
from tests.support.caching import date, storing


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("bytes=0-1", (0, 2)),
        ("bytes=1-", (1, 10)),
        ("bytes=-1", (9, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=5-99", (5, 10)),
        ("Bytes=5-5", (5, 6)),
        ("bytes=10-", (0, 0)),
        ("bytes=-0", (0, 0)),
        ("bytes=5-4", None),
        ("bytes=0-1,3-4", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("items=0-1", None),
        ("bytes=a-b", None),
        ("bytes=0-" + "9" * 40, None),
    ],
)
def test_the_part(value: str, part: tuple[int, int] | None) -> None:
    assert wanted_part(Headers({"range": value}), storing(("cache-control", "max-age=9")).facts, 10) == part


@pytest.mark.parametrize(
    ("condition", "applies"),
    [
        ('"a"', True),
        ('"b"', False),
        ('W/"a"', False),
        (date(-1000), True),
        (date(-999), False),
        ("yesterday", False),
    ],
)
def test_if_range_must_match_strongly(condition: str, *, applies: bool) -> None:
    stored = storing(("etag", '"a"'), ("last-modified", date(-1000)))
    headers = Headers({"range": "bytes=0-1", "if-range": condition})
    assert (wanted_part(headers, stored.facts, 10) is not None) is applies


def test_a_weak_tag_or_a_date_of_this_second_is_no_match() -> None:
    weak = storing(("etag", 'W/"a"'), ("last-modified", date()))
    for condition in ('W/"a"', '"a"', date()):
        assert wanted_part(Headers({"range": "bytes=0-1", "if-range": condition}), weak.facts, 10) is None


def test_two_range_lines_are_none() -> None:
    headers = Headers([("range", "bytes=0-1"), ("range", "bytes=0-1")])
    assert wanted_part(headers, storing(("etag", '"a"')).facts, 10) is None


@given(st.text(st.sampled_from("bytes=0123456789-, ")), st.integers(0, 20))
def test_a_part_lies_within_the_whole(value: str, size: int) -> None:
    part = wanted_part(Headers({"range": value}), storing(("etag", '"a"')).facts, size)
    assert part is None or part == (0, 0) or 0 <= part[0] < part[1] <= size
