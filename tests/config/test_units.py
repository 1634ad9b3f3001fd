"""Units: what is read, what is refused, and that writing and reading agree."""

import contextlib
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.config.problems import Refusal
from api_gateway.config.units import (
    MAX_DURATION,
    format_duration,
    format_size,
    parse_duration,
    parse_rate,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("100ms", 0.1),
        ("3s", 3),
        ("1.5s", 1.5),
        ("5m", 300),
        ("1h", 3600),
        ("7", 7),
        (2.5, 2.5),
        (0, 0),
    ],
)
def test_a_duration_is_read_in_seconds(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("512", 512),
        (512, 512),
        ("1B", 1),
        ("32KB", 32_000),
        ("10KiB", 10_240),
        ("1.5MiB", 1_572_864),
        ("2GB", 2 * 10**9),
    ],
)
def test_a_size_is_read_in_bytes(text: object, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100/s", (100, 1)),
        ("5/min", (5, 60)),
        ("5/m", (5, 60)),
        ("1000/h", (1000, 3600)),
        ("10/10s", (10, 10)),
        ("3/0.5s", (3, 0.5)),
        ("1/250ms", (1, 0.25)),
        ("7/2d", (7, 172_800)),
        ("100/1s", (100, 1)),
    ],
)
def test_a_rate_is_read_as_so_many_in_so_many_seconds(text: str, rate: tuple[int, float]) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "value",
    ["", "100", 100, "100/", "/s", "100 /s", "100/ s", "-1/s", "1.5/s", "1e3/s", "٣/s", "1/s\n", "1/1h30m", "0/s",
     "5/0s", "1/week", "1/S", "1/min/s", "1" * 10 + "/s", None, True, [], {}],
)  # fmt: skip
def test_what_is_no_rate_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(Refusal, match="write a rate such as 100/s, 5/min, 1000/h or 10/10s"):
        parse_rate(value)


def test_no_period_is_longer_than_a_year() -> None:
    assert parse_rate("1/365d").period == MAX_DURATION
    with pytest.raises(Refusal, match="too long a period; write at most 8760h"):
        parse_rate("1/366d")


@pytest.mark.parametrize(
    "value",
    ["", "s", "-1s", "1 s", "1h30m", "1e3", "٣s", ".5s", "1d", "1S", None, True, [], math.nan, math.inf, -1, "1s\n"],
)
def test_what_is_no_duration_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(Refusal, match="write a duration such as 250ms, 3s, 5m or 1h"):
        parse_duration(value)


@pytest.mark.parametrize("value", ["", "KB", "-1", "1 KiB", "1kb", "1.5", "0.1KiB", None, False, {}, 1.5, "1KiBs"])
def test_what_is_no_size_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(Refusal, match="write a size such as 512, 32KB, 10KiB or 1MiB"):
        parse_size(value)


def test_a_unit_that_is_not_known_is_named_with_those_that_are() -> None:
    with pytest.raises(Refusal, match="'10XB' has the unit 'XB', which is none of B, KB, MB, GB, KiB, MiB, GiB"):
        parse_size("10XB")


def test_no_duration_is_longer_than_a_year() -> None:
    assert parse_duration("8760h") == MAX_DURATION
    with pytest.raises(Refusal, match="too long; write at most 8760h"):
        parse_duration("8761h")


@given(st.integers(0, int(MAX_DURATION) * 1000))
def test_durations_survive_being_written_and_read(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.floats(0, MAX_DURATION))
def test_any_float_of_seconds_is_read_as_itself(seconds: float) -> None:
    assert parse_duration(seconds) == seconds


@given(st.integers(0, 10**15))
def test_sizes_survive_being_written_and_read(count: int) -> None:
    assert parse_size(format_size(count)) == count


@given(st.integers(0, 10**5), st.sampled_from([("ms", Fraction(1, 1000)), ("s", Fraction(1)), ("m", Fraction(60))]))
def test_units_are_exact_multiples(count: int, unit: tuple[str, Fraction]) -> None:
    assert parse_duration(f"{count}{unit[0]}") == float(count * unit[1])


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.25, "250ms"), (3.0, "3s"), (90.0, "90s"), (300.0, "5m"), (7200.0, "2h"), (0.0, "0s")]
)
def test_a_duration_is_written_with_its_greatest_unit(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.one_of(st.text(), st.none(), st.booleans(), st.lists(st.integers()), st.floats(), st.integers()))
def test_units_answer_anything_with_a_number_or_a_refusal(value: object) -> None:
    for parse in (parse_duration, parse_size):
        with contextlib.suppress(Refusal):
            assert parse(value) >= 0
