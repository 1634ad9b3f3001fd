"""Headers: byte pairs behind a friendly face."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.core.headers import Headers

_names = st.text("abcXYZ-_019", min_size=1, max_size=8)
_values = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=8)
_fields = st.lists(st.tuples(_names, _values), max_size=6)


def test_names_become_lower_case_bytes_and_order_and_repetition_stay() -> None:
    headers = Headers([("B", "1"), ("A", "2"), (b"B", b"3")])
    assert headers.pairs == [(b"b", b"1"), (b"a", b"2"), (b"b", b"3")]
    assert list(headers) == [("b", "1"), ("a", "2"), ("b", "3")]
    assert len(headers) == 3


def test_lookup_ignores_case_and_finds_the_first() -> None:
    headers = Headers([("X-A", "1"), ("x-a", "2")])
    assert headers.get("X-a") == "1"
    assert headers.get_all("x-A") == ["1", "2"]
    assert "X-A" in headers
    assert headers.get("x-b") is None
    assert headers.get("x-b", "default") == "default"
    assert headers.get_all("x-b") == []
    assert "x-b" not in headers


def test_tokens_are_split_over_lines_trimmed_and_never_empty() -> None:
    assert Headers([("Allow", "GET, ,POST,"), ("allow", " PUT ")]).tokens("allow") == ["GET", "POST", "PUT"]


def test_a_mapping_and_other_headers_are_accepted() -> None:
    headers = Headers({"Accept": "*/*"})
    assert Headers(headers) == headers
    assert Headers() == Headers([])


def test_white_space_around_a_value_is_not_part_of_it() -> None:
    assert Headers({"a": " \t b c\t"}).get("a") == "b c"


@settings(max_examples=200)
@given(_fields, _names, _values)
def test_a_change_gives_new_headers_and_leaves_the_old_ones(
    fields: list[tuple[str, str]], name: str, value: str
) -> None:
    headers = Headers(fields)
    before = copy.copy(headers.pairs)
    value = value.strip(" \t")
    assert headers.setting(name, value).get_all(name) == [value]
    assert headers.setting(name, value).pairs[-1] == (name.lower().encode(), value.encode("latin-1"))
    assert headers.adding(name, value).get_all(name) == [*headers.get_all(name), value]
    assert name not in headers.without(name.upper())
    others = [field for field in headers if field[0] != name.lower()]
    assert list(headers.without(name)) == others
    assert list(headers.setting(name, value))[:-1] == others
    assert headers.pairs == before


@settings(max_examples=200)
@given(st.binary(max_size=20))
def test_every_byte_that_a_value_may_hold_survives_as_text_and_back(value: bytes) -> None:
    try:
        headers = Headers([("x", value)])
    except ValueError:
        assert any((byte < 0x20 and byte != 9) or byte == 0x7F for byte in value)
        return
    text = headers.get("x")
    assert text is not None
    assert text.encode("latin-1") == value.strip(b" \t")


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\x00b", "\x7f", "\x1b[0m", "\r\n", "a\x0b"])
def test_a_control_character_in_a_value_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        Headers({"x-a": value})
    with pytest.raises(ValueError, match="control character"):
        Headers().setting("x-a", value)
    with pytest.raises(ValueError, match="control character"):
        Headers().adding("x-a", value)
    with pytest.raises(ValueError, match="control character"):
        Headers([(b"x-a", value.encode())])


@pytest.mark.parametrize("name", ["", " ", "a b", "a:", "a\r\n", "x-a\n", "é", "☃", "a(b)", "a/b", "\x00"])
def test_a_name_that_is_no_token_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a header name"):
        Headers({name: "1"})


def test_a_value_beyond_latin_1_is_refused_and_never_replaced_by_a_question_mark() -> None:
    with pytest.raises(ValueError, match="latin-1"):
        Headers({"x-user": "\u2603"})


def test_headers_are_equal_by_content_and_cannot_be_keys() -> None:
    assert Headers({"A": "1"}) == Headers([("a", "1")])
    assert Headers({"A": "1"}) != Headers({"A": "2"})
    assert Headers({"A": "1"}) != {"a": "1"}
    with pytest.raises(TypeError):
        hash(Headers())


def test_a_repr_shows_the_fields() -> None:
    assert repr(Headers({"A": "1"})) == "Headers([('a', '1')])"
