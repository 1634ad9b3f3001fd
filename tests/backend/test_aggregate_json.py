"""Aggregate JSON: what is read can be written."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.backend.aggregate_json import read_json, write_json


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"NaN", b"-Infinity", b"1e999", b'{"a"', b"\xff", b"[" * 100_000, b"9" * 5000]
)
def test_what_is_not_json_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # which message it has is the parser's affair
        read_json(body)


def test_a_byte_order_mark_is_no_part_of_it() -> None:
    assert read_json(b"\xef\xbb\xbf{}") == {}


def test_half_a_surrogate_pair_is_written_as_it_came() -> None:
    assert write_json(read_json(rb'"\ud800"')) == rb'"\ud800"'
    assert write_json("Ä") == '"Ä"'.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_has_not_is_not_written(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json([value])


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(_json)
def test_what_is_written_is_read_again(value: object) -> None:
    assert read_json(write_json(value)) == value
    assert read_json(json.dumps(value).encode()) == value
