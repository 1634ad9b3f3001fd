"""Body transform: JSON in, JSON out, everything bounded."""

from __future__ import annotations

import contextlib
import gzip
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.core.clock import ManualClock
from api_gateway.core.errors import BadRequest, ClientError, PayloadTooLarge, UnprocessableContent
from api_gateway.core.request_context import RequestContext
from api_gateway.middleware.body.json_limits import JsonLimits
from api_gateway.middleware.transform.body_transform import BodyTransform
from api_gateway.middleware.transform.expression import Expression


def made(text: str, **limits: int) -> BodyTransform:
    size = limits.pop("max_body", 1000)
    return BodyTransform(Expression(text), ManualClock(), max_body=size, limits=JsonLimits(**limits))


def apply(transform: BodyTransform, body: bytes, coding: str = "") -> bytes:
    return transform.apply(body, coding, RequestContext())


def test_a_document_becomes_another() -> None:
    assert (
        apply(made("{id: user_id, name: name}"), '{"user_id": 5, "name": "Ä"}'.encode())
        == '{"id":5,"name":"Ä"}'.encode()
    )
    assert apply(made("snake_case(@)"), b'{"userId": [1, 2.5, null, true]}') == b'{"user_id":[1,2.5,null,true]}'
    assert apply(made("none"), b"[]") == b"null"


def test_compressed_bodies_are_read_and_come_out_plain() -> None:
    assert apply(made("a"), gzip.compress(b'{"a": 1}'), "gzip") == b"1"
    assert apply(made("a"), zlib.compress(b'{"a": 1}'), "deflate") == b"1"


def test_another_expression_has_another_name() -> None:
    assert made("a").name == made("a").name != made("b").name
    assert made("a").name.isalnum()


@pytest.mark.parametrize(
    ("body", "error", "detail"),
    [
        (b"{", BadRequest, "The body is not JSON at line 1, column 2."),
        (b"", BadRequest, "is not JSON"),
        (b'{"a": 1, "a": 2}', BadRequest, "the same name twice"),
        (b'"\xff"', BadRequest, "is not UTF-8"),
        (b"\xef\xbb\xbf{}", BadRequest, "byte order mark"),
        (b"NaN", BadRequest, "NaN"),
        (b"[" * 6 + b"]" * 6, UnprocessableContent, "more than 5 levels deep"),
        (b"[1,2,3,4,5,6,7,8,9,10,11]", UnprocessableContent, "more than 10 members"),
        (b'{"a": "no date"}', UnprocessableContent, "is not what is transformed here"),
    ],
)
def test_what_cannot_be_transformed_says_why(body: bytes, error: type[ClientError], detail: str) -> None:
    with pytest.raises(error, match=detail):
        apply(made("format_date(a, '%Y')", depth=5, items=10), body)


def test_a_bomb_is_stopped_at_the_limit() -> None:
    bomb = gzip.compress(b'"' + b"0" * 10_000_000 + b'"')
    with pytest.raises(PayloadTooLarge):
        apply(made("@", max_body=100_000), bomb, "gzip")
    with pytest.raises(BadRequest):
        apply(made("@"), b"not gzip", "gzip")


def test_what_comes_out_is_bounded() -> None:
    body = json.dumps("x" * 300).encode()
    assert len(apply(made("[@, @, @]"), body)) == 910
    with pytest.raises(PayloadTooLarge, match="would become larger than 1000 bytes"):
        apply(made("[@, @, @, @]"), body)
    with pytest.raises(PayloadTooLarge):
        apply(made("[@, @, @]"), '"é"'.encode().replace("é".encode(), "é".encode() * 170))


def test_what_would_double_endlessly_is_never_written() -> None:
    doubled = " | ".join(["[@, @]"] * 60)
    with pytest.raises(PayloadTooLarge):
        apply(made(doubled), b"{}")


@pytest.mark.parametrize("text", ["&a", "sum([`1e308`, `1e308`])", "to_number('1e999')"])
def test_what_json_cannot_write_is_an_error(text: str) -> None:
    with pytest.raises(UnprocessableContent, match="cannot write"):
        apply(made(text), b"{}")


PLAIN, DATED, CASED = made("@"), made("{a: format_date(a, '%Y'), b: without(b, ['c'])}"), made("snake_case(@)")


@given(
    st.binary() | st.text(alphabet='{}[]",:\\u09aAeE+-.nultr ').map(str.encode),
    st.sampled_from(["", "gzip", "deflate"]),
)
def test_any_bytes_give_json_or_a_declared_error(body: bytes, coding: str) -> None:
    for transform in (PLAIN, DATED, CASED):
        with contextlib.suppress(BadRequest, PayloadTooLarge, UnprocessableContent):
            json.loads(apply(transform, body, coding))


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=5),
        lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=3), below, max_size=4),
        max_leaves=10,
    )
)
def test_what_is_not_changed_means_the_same(document: object) -> None:
    assert json.loads(apply(made("@", max_body=100_000), json.dumps(document).encode())) == document
