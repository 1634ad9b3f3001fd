"""The bearer token of a request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.auth.authenticator import InvalidCredentials
from api_gateway.auth.bearer import LONGEST_TOKEN, bearer_token, is_signed_token
from api_gateway.core.headers import Headers
from api_gateway.core.request import Request
from tests.support.jwt_tokens import request_with


@pytest.mark.parametrize(
    ("value", "token"),
    [
        ("Bearer abc.def.ghi", "abc.def.ghi"),
        ("bearer abc", "abc"),
        ("BEARER abc", "abc"),
        ("bEaReR abc", "abc"),
        ("Bearer    abc", "abc"),
        ("Bearer a-b._~+/c==", "a-b._~+/c=="),
        ("Bearer " + "x" * LONGEST_TOKEN, "x" * LONGEST_TOKEN),
    ],
)
def test_a_token_is_read_in_any_case_of_the_scheme(value: str, token: str) -> None:
    assert bearer_token(request_with(value)) == token


@pytest.mark.parametrize(
    "value",
    ["Basic dXNlcjpwYXNz", "Digest a=b", "BearerX abc", "Bearer-abc", "Bear er abc", "DPoP a.b.c", "", "x"],
)
def test_another_scheme_is_somebody_elses(value: str) -> None:
    assert bearer_token(request_with(value)) is None


def test_no_header_is_no_token() -> None:
    assert bearer_token(request_with()) is None


@pytest.mark.parametrize("target", ["/orders?access_token=abc", "/orders?authorization=Bearer%20abc"])
def test_a_token_in_the_query_is_not_looked_at(target: str) -> None:
    assert bearer_token(Request("GET", target)) is None


def test_a_token_in_the_body_is_not_looked_at() -> None:
    fields = {"content-type": "application/x-www-form-urlencoded"}
    assert bearer_token(Request("POST", "/orders", fields, b"access_token=abc")) is None


@pytest.mark.parametrize(
    "value",
    [
        "Bearer",
        "bearer  ",
        "Bearer\tabc",
        "Bearer \tabc",
        "Bearer, abc",
        "Bearer,abc",
        "Bearer=abc",
        'Bearer "abc"',
        "Bearer abc def",
        "Bearer abc, Bearer def",
        "Bearer abc,",
        "Bearer abc=def",
        "Bearer =",
        "Bearer abc;x=y",
        "Bearer a%62c",
        b"Bearer \xe2\x80\x8babc",
        b"Bearer abc\xff",
        b"Bearer\xa0abc",
    ],
)
def test_what_is_like_a_bearer_token_and_is_none_is_refused(value: str | bytes) -> None:
    with pytest.raises(InvalidCredentials) as caught:
        bearer_token(request_with(value))
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize("pair", [("Bearer a", "Bearer b"), ("Bearer a", "Bearer a"), ("Basic a", "Bearer b")])
def test_two_authorization_headers_are_refused(pair: tuple[str, str]) -> None:
    with pytest.raises(InvalidCredentials, match="more than one"):
        bearer_token(request_with(*pair))
    with pytest.raises(InvalidCredentials, match="more than one"):
        bearer_token(request_with(*reversed(pair)))


@pytest.mark.parametrize("size", [LONGEST_TOKEN + 1, LONGEST_TOKEN * 10])
def test_a_token_over_8_kib_is_refused(size: int) -> None:
    with pytest.raises(InvalidCredentials, match="too long"):
        bearer_token(request_with("Bearer " + "x" * size))


def test_a_giant_value_of_another_scheme_is_still_somebody_elses() -> None:
    assert bearer_token(request_with("Negotiate " + "x" * 100_000)) is None


@given(st.binary(max_size=60))
def test_any_bytes_are_a_token_or_none_or_refused(value: bytes) -> None:
    for raw in (value, b"Bearer " + value):
        request = Request.from_parts("GET", "/", "", Headers.from_pairs([(b"authorization", raw)]), b"")
        try:
            token = bearer_token(request)
        except InvalidCredentials:
            continue
        assert token is None or raw.endswith(token.encode("ascii"))


@pytest.mark.parametrize(
    ("token", "signed"),
    [
        ("a.b.c", True),
        ("a-_9.b.c", True),
        ("a..c", True),
        ("a.b.", True),
        (".b.c", False),
        ("a.b", False),
        ("a.b.c.d", False),
        ("a.b.c.d.e", False),
        ("a.b.c=", False),
        ("a.b+.c", False),
        ("a.b.c\n", False),
        ("a.b.\u0441", False),
        ("opaque", False),
        ("", False),
    ],
)
def test_three_segments_are_the_shape_of_a_signed_token(token: str, signed: bool) -> None:
    assert is_signed_token(token) is signed
