"""An answer as bytes and back: any one there is, and nothing that is none."""

from __future__ import annotations

import json
import struct
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.caching.redis.serialisation import packed, unpacked, variant_id
from api_gateway.caching.stored_response import SelectingFields, StoredResponse
from tests.support.stored_responses import FIELDS, contents, stored, stored_responses

FRONT = struct.Struct(">4sHddII")


def test_every_field_there_is_is_tried() -> None:
    assert set(FIELDS) == {field.name for field in fields(StoredResponse) if field.init}


@given(stored_responses())
def test_any_answer_comes_back_as_it_was(response: StoredResponse) -> None:
    back = unpacked(packed(response))
    assert back is not None
    assert contents(back) == contents(response)


def test_header_bytes_above_ascii_and_repeated_fields_come_back() -> None:
    response = stored()
    response.headers.pairs[:] = [(b"set-cookie", b"a=1"), (b"x-name", b"caf\xe9 \xff"), (b"set-cookie", b"b=2")]
    back = unpacked(packed(response))
    assert back is not None
    assert back.headers == response.headers


@given(st.binary(max_size=300))
def test_other_bytes_are_no_answer(data: bytes) -> None:
    assert unpacked(data) is None
    assert unpacked(b"AGC1" + data) is None


@given(stored_responses(), st.data())
def test_cut_or_lengthened_it_is_no_answer(response: StoredResponse, data: st.DataObject) -> None:
    whole = packed(response)
    length = data.draw(st.integers(0, len(whole) - 1))
    assert unpacked(whole[:length]) is None
    assert unpacked(whole + b"x") is None


@given(stored_responses(), st.data())
def test_with_any_byte_changed_it_is_read_or_not_and_nothing_is_raised(
    response: StoredResponse, data: st.DataObject
) -> None:
    whole = bytearray(packed(response))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    back = unpacked(bytes(whole))
    assert back is None or 100 <= back.status <= 999


def test_another_version_is_no_answer() -> None:
    whole = packed(stored(b"body"))
    assert whole[:4] == b"AGC1"
    assert unpacked(b"AGC2" + whole[4:]) is None


def with_head(head: object, status: int = 200, asked_at: float = 1.0) -> bytes:
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return FRONT.pack(b"AGC1", status, asked_at, 2.0, len(text), 0) + text


def test_the_head_used_below_is_good_as_long_as_nothing_is_wrong_with_it() -> None:
    assert unpacked(with_head({"headers": [["a", "b"]], "selecting": [["a", ["b"]]], "tags": ["t"]})) is not None


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        [],
        {},
        {"headers": [], "selecting": []},
        {"headers": None, "selecting": [], "tags": []},
        {"headers": [["a"]], "selecting": [], "tags": []},
        {"headers": [["a", 1]], "selecting": [], "tags": []},
        {"headers": [["a b", "c"]], "selecting": [], "tags": []},
        {"headers": [["a", "b\r\nset-cookie: c"]], "selecting": [], "tags": []},
        {"headers": [["a", "\u20ac"]], "selecting": [], "tags": []},
        {"headers": [], "selecting": [["a", [1]]], "tags": []},
        {"headers": [], "selecting": [[1, ["a"]]], "tags": []},
        {"headers": [], "selecting": [], "tags": [[]]},
        {"headers": [], "selecting": [], "tags": 5},
    ],
    ids=repr,
)
def test_a_head_that_says_anything_else_is_no_answer(head: object) -> None:
    assert unpacked(with_head(head)) is None


@pytest.mark.parametrize(("status", "asked_at"), [(99, 1.0), (1000, 1.0), (200, float("nan")), (200, float("inf"))])
def test_numbers_that_cannot_be_are_no_answer(status: int, asked_at: float) -> None:
    head: dict[str, list[object]] = {"headers": [], "selecting": [], "tags": []}
    assert unpacked(with_head(head, status, asked_at)) is None
    assert unpacked(with_head(head)) is not None


_selecting = st.lists(st.tuples(st.text(max_size=5), st.lists(st.text(max_size=5), max_size=2).map(tuple)), max_size=2)


@given(_selecting.map(tuple), _selecting.map(tuple))
def test_two_variants_have_one_name_only_if_they_are_the_same(one: SelectingFields, other: SelectingFields) -> None:
    assert (variant_id(one) == variant_id(other)) == (one == other)
    assert len(variant_id(one)) == 32
