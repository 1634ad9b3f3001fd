"""JSON limits: counted before parsing, as an oracle counts after it; and one reading only."""

from __future__ import annotations

import contextlib
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.middleware.body.json_limits import MOST_DEPTH, JsonLimits, NotJson, OverJsonLimit, read_json

WIDE = JsonLimits(depth=MOST_DEPTH, items=1_000_000)
TEXTS = st.text(st.characters(codec="utf-8")) | st.text(alphabet='"\\[]{},: \n')
DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def depth(document: object) -> int:
    if isinstance(document, dict):
        return 1 + max(map(depth, document.values()), default=0)
    return 1 + max(map(depth, document), default=0) if isinstance(document, list) else 0


def items(document: object) -> int:
    if isinstance(document, dict):
        return len(document) + sum(map(items, document.values()))
    return len(document) + sum(map(items, document)) if isinstance(document, list) else 0


@given(DOCUMENTS, st.booleans(), st.sampled_from([None, 2]), st.just(0) | st.integers(16 * 1024 - 40, 16 * 1024))
def test_depth_and_count_are_exactly_what_an_oracle_finds_in_the_document(
    document: object, ascii_only: bool, indent: int | None, padding: int
) -> None:
    body = b" " * padding + json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode()
    deep, many = depth(document), items(document)
    assert read_json(body, JsonLimits(deep, many)) == document
    if deep:
        with pytest.raises(OverJsonLimit, match="levels deep"):
            read_json(body, JsonLimits(deep - 1, many))
    if many:
        with pytest.raises(OverJsonLimit, match="members and elements"):
            read_json(body, JsonLimits(deep, many - 1))


@given(st.one_of(st.binary(), st.text(alphabet='"\\[]{},:0e-. ud8ctrueNaN\n').map(str.encode)))
def test_any_bytes_are_read_as_the_standard_library_reads_them_or_refused(body: bytes) -> None:
    try:
        document = read_json(body, JsonLimits(5, 20))
    except (NotJson, OverJsonLimit):
        return
    assert document == json.loads(body)
    assert depth(document) <= 5
    assert items(document) <= 20


@given(DOCUMENTS, st.data())
def test_a_mutated_document_is_read_or_refused(document: object, data: st.DataObject) -> None:
    body = bytearray(json.dumps(document).encode())
    for _ in range(3):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.sampled_from(b'"\\[]{},:0\x00\xff'))
    with contextlib.suppress(NotJson, OverJsonLimit):
        read_json(bytes(body), WIDE)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":', b'["]",'])
def test_a_quarter_of_a_megabyte_of_openings_is_refused_before_a_parser_sees_it(opening: bytes) -> None:
    with pytest.raises(OverJsonLimit):
        read_json(opening * (262_144 // len(opening)), JsonLimits())


@pytest.mark.parametrize(
    "body",
    [b'"' * 262_144, b'\\"' * 131_072, b'"' + b'\\"' * 131_071, b"\\" * 262_144, b'"a1"a1' * 43_690, b"1" * 262_144],
)
def test_no_bytes_cost_much_memory(body: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises((NotJson, OverJsonLimit)):
            read_json(body, JsonLimits())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * len(body)


@pytest.mark.parametrize("body", [b'"\\" [[[[[[ "', b'["[[[[", "\\\\", "]"]', b'[1,"{{{{{\\"{{{"]'])
def test_brackets_in_strings_are_not_counted(body: bytes) -> None:
    try:
        assert read_json(body, JsonLimits(depth=1)) == json.loads(body)
    except NotJson:
        with pytest.raises(ValueError):  # noqa: PT011  # any of them will do
            json.loads(body)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "not JSON at line 1, column 1"),
        (b'{"a": 1,}', "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b"[1] [2]", "not JSON at line 1, column 5"),
        (b'{"a":\n  tru}', "line 2, column 3"),
        (b'"\x01"', "not JSON"),
        (b"01", "not JSON"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ("{}".encode("utf-16"), "not UTF-8"),
        (b'"\xff"', "not UTF-8 at byte 2"),
        (b'"\xc0\xaf"', "not UTF-8"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b'{"a": 1, "b": 2, "a": 3}', "same name twice"),
        (b'[{"x": {"a": 1, "\\u0061": 2}}]', "same name twice"),
        (b"NaN", "NaN or Infinity"),
        (b"[-Infinity]", "NaN or Infinity"),
        (b"1e999999", "out of range"),
        (b"-1E400", "out of range"),
        (b"[" + b"9" * 101 + b"]", "more than 100 characters"),
        (b"[0." + b"1" * 99 + b"]", "more than 100 characters"),
        (b'"\\ud83d"', "surrogate"),
        (b'"\\uDE00"', "surrogate"),
        (b'"\\ud83d\\ud83d\\ude00"', "surrogate"),
        (b'"\\ud83d\\\\\\ude00"', "surrogate"),
        (b'{"\\ud800": 1}', "surrogate"),
    ],
)
def test_what_readers_read_differently_is_refused(body: bytes, text: str) -> None:
    with pytest.raises(NotJson, match=text):
        read_json(body, WIDE)


@pytest.mark.parametrize(
    ("body", "document"),
    [
        (b"9" * 100, int("9" * 100)),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\\\\ud83d"', "\\ud83d"),
        (b'"\\\\\\ud83d\\ude00"', "\\\U0001f600"),
        (b' \t\r\n{"a": [1e-999, -0, 1.5E+2]} ', {"a": [0.0, 0, 150.0]}),
        (b'"\xc3\xa9"', "é"),
        (b'[{"a": 1}, {"a": 1}]', [{"a": 1}, {"a": 1}]),
    ],
)
def test_what_they_agree_on_is_read(body: bytes, document: object) -> None:
    assert read_json(body, WIDE) == document


def test_a_refusal_has_nothing_of_the_document_in_it() -> None:
    for body in (b'{"hunter2": 1, "hunter2": 2}', b'["hunter2"', b"hunter2", b'"\\hunter2"', b'"hunter2\xff"'):
        with pytest.raises(NotJson) as caught:
            read_json(body, WIDE)
        assert "hunter2" not in str(caught.value)


def test_the_deepest_that_may_be_allowed_can_be_parsed() -> None:
    body = b"[" * MOST_DEPTH + b"]" * MOST_DEPTH
    assert depth(read_json(body, WIDE)) == MOST_DEPTH
    with pytest.raises(ValueError, match="depth"):
        JsonLimits(depth=MOST_DEPTH + 1)
