"""Challenges: what they say, and that nothing in them can end them early."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.auth.challenge import (
    LONGEST_DESCRIPTION,
    IdentityNeeded,
    challenge,
    in_realm,
    insufficient_scope,
    with_error,
)
from api_gateway.core.headers import Headers

BEARER = 'Bearer realm="api"'
# RFC 9110 11.2 and 5.6.4, with RFC 6750's quoted strings: one challenge, and nothing behind it.
ONE_CHALLENGE = re.compile(r'[A-Za-z]+(?: [a-z_]+="(?:[^"\\]|\\.)*"(?:, [a-z_]+="(?:[^"\\]|\\.)*")*)?')


def test_a_challenge_is_a_scheme_and_quoted_parameters() -> None:
    assert challenge("Bearer", realm="api") == BEARER
    assert challenge("ApiKey", realm="api", header="X-API-Key") == 'ApiKey realm="api", header="X-API-Key"'


def test_quotes_and_backslashes_of_a_realm_are_escaped() -> None:
    assert challenge("Bearer", realm='a"b\\') == r'Bearer realm="a\"b\\"'


@pytest.mark.parametrize("realm", ["ä", "a\r\nX-Admin: 1", "a\x00", "\x7f", "a\n"])
def test_a_realm_beyond_printable_ascii_is_refused(realm: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        challenge("Bearer", realm=realm)
    with pytest.raises(ValueError, match="printable ASCII"):
        in_realm("Bearer", realm)


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("Bearer", 'Bearer realm="shop"'),
        (BEARER, 'Bearer realm="shop"'),
        (r'Bearer realm="a\", b=\"c"', 'Bearer realm="shop"'),
        ('ApiKey realm="x", header="X-API-Key"', 'ApiKey realm="shop", header="X-API-Key"'),
        ('ApiKey header="X-API-Key"', 'ApiKey realm="shop", header="X-API-Key"'),
    ],
)
def test_a_realm_takes_the_place_of_another(base: str, expected: str) -> None:
    assert in_realm(base, "shop") == expected


def test_unless_one_is_given_each_keeps_its_own_and_none_is_without() -> None:
    assert in_realm('Bearer realm="own", x="y"', None) == 'Bearer realm="own", x="y"'
    assert in_realm("Bearer", None) == BEARER


def test_an_error_stands_behind_bearer_only() -> None:
    told = with_error(BEARER, "invalid_token", "The token has expired.")
    assert told == 'Bearer realm="api", error="invalid_token", error_description="The token has expired."'
    assert with_error("bearer", "invalid_token") == 'bearer error="invalid_token"'
    key = 'ApiKey realm="api", header="X-API-Key"'
    assert with_error(key, "invalid_token", "wrong") == key


@given(st.text())
def test_no_description_can_end_its_challenge_or_the_header(description: str) -> None:
    told = with_error(BEARER, "invalid_token", description)
    assert told.isascii()
    assert told.isprintable()
    assert ONE_CHALLENGE.fullmatch(told)
    shown = told.partition('error_description="')[2]
    assert len(shown) <= LONGEST_DESCRIPTION + 1
    assert not set(shown.removesuffix('"')) & {'"', "\\"}, "RFC 6750 3 allows neither"
    Headers([("www-authenticate", told)])


def test_a_long_description_is_cut() -> None:
    assert len(with_error("Bearer", "invalid_token", "x" * 10_000)) < LONGEST_DESCRIPTION + 60


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_every_printable_realm_makes_one_challenge_and_can_be_replaced(realm: str) -> None:
    told = challenge("Bearer", realm=realm, header="x")
    assert ONE_CHALLENGE.fullmatch(told)
    assert in_realm(told, "shop") == 'Bearer realm="shop", header="x"'


def test_the_scopes_needed_are_sorted_in_one_text() -> None:
    told = insufficient_scope({"orders:write", "a"})
    assert told == 'Bearer error="insufficient_scope", scope="a orders:write"'


def test_an_identity_that_is_needed_is_asked_for_in_every_way_offered() -> None:
    error = IdentityNeeded("Prove it.")
    assert error.status == 401
    assert error.headers.get_all("www-authenticate") == [BEARER], "until somebody knows better"
    error.headers = error.headers.adding("x-other", "1")
    error.offer(["ApiKey realm=x"])
    error.offer(['Bearer realm="y"', "ApiKey realm=x"])
    assert error.headers.get_all("www-authenticate") == ["ApiKey realm=x", 'Bearer realm="y"']
    assert error.headers.get("x-other") == "1", "what others added stays"
