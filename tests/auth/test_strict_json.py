"""Strict JSON and strict base64url: one text, one meaning."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.auth.strict_json import DEEPEST, from_base64url, read_object
from tests.support.jwt_tokens import encoded


@given(st.binary(max_size=100))
def test_what_is_encoded_is_decoded(raw: bytes) -> None:
    assert from_base64url(encoded(raw)) == raw


@given(st.text(alphabet="AQgwx8-_+/= \n.", max_size=12))
def test_no_two_texts_mean_the_same_bytes(text: str) -> None:
    try:
        raw = from_base64url(text.encode())
    except ValueError:
        return
    assert encoded(raw).decode() == text


@pytest.mark.parametrize(
    "text", [b"A", b"AA==", b"AB", b"AAB", b"AA A", b"AAAA\n", b"AA+A", b"AA/A", b"AAA\xff", b"=", b" "]
)
def test_what_is_not_canonical_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="base64url"):
        from_base64url(text)


OBJECTS = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=5
    ),
    max_size=5,
)


@given(OBJECTS)
def test_an_object_is_read_as_the_standard_library_reads_it(value: dict[str, object]) -> None:
    raw = json.dumps(value).encode()
    assert read_object(raw) == json.loads(raw)


@given(st.binary(max_size=60))
def test_any_bytes_are_an_object_or_refused(raw: bytes) -> None:
    with suppress(ValueError):
        assert isinstance(read_object(raw), dict)


@pytest.mark.parametrize("raw", [b'{"a":1,"a":1}', b'{"a":1,"\\u0061":2}', b'{"b":[{"a":1,"a":2}]}'])
def test_a_name_that_stands_twice_is_refused_wherever_it_stands(raw: bytes) -> None:
    with pytest.raises(ValueError, match="twice"):
        read_object(raw)


def nested(depth: int) -> bytes:
    """An object with so many levels."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def test_nesting_has_a_bound() -> None:
    assert read_object(nested(DEEPEST))
    for depth in (DEEPEST + 1, DEEPEST + 2, 500, 100_000):
        with pytest.raises(ValueError, match="too deep"):
            read_object(nested(depth))
