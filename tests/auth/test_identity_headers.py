"""Identity headers: what a service reads is what the issuer said, and nothing else."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.auth.identity_headers import REMEMBERED, identity_headers
from api_gateway.core.canonical_request import IDENTITY_HEADERS
from api_gateway.core.headers import Headers, message_head
from api_gateway.core.identity import LONGEST_SUBJECT, Identity


def told(identity: Identity) -> dict[str, str]:
    return {name.decode(): value.decode("latin-1") for name, value in identity_headers(identity)}


def allowed(name: str) -> bool:
    try:
        Identity(name, "jwt")
    except ValueError:
        return False
    return True


Names = st.text(min_size=1, max_size=40).filter(allowed)
Words = st.frozensets(st.from_regex(r"[\x21\x23-\x5b\x5d-\x7e]{1,12}", fullmatch=True), max_size=6)


def test_each_fact_has_its_header_and_words_are_sorted() -> None:
    identity = Identity(
        "anna", "jwt", consumer="shop", scopes=frozenset({"b:w", "a:r"}), roles=frozenset({"staff", "admin"})
    )
    assert told(identity) == {
        "x-user-id": "anna",
        "x-user-scopes": "a:r b:w",
        "x-user-roles": "admin staff",
        "x-consumer": "shop",
    }


def test_what_is_empty_is_left_out() -> None:
    assert told(Identity("anna", "jwt")) == {"x-user-id": "anna"}


def test_there_is_no_name_that_the_edge_would_let_in_from_outside() -> None:
    full = Identity("a", "jwt", consumer="c", scopes=frozenset({"s"}), roles=frozenset({"r"}))
    assert {name for name, _ in identity_headers(full)} == IDENTITY_HEADERS


@pytest.mark.parametrize(
    ("subject", "value"),
    [
        ("Ольга", "%D0%9E%D0%BB%D1%8C%D0%B3%D0%B0"),
        ("CN=billing, O=Example", "CN=billing,%20O=Example"),
        ("anna%0d%0aX-Admin:1", "anna%250d%250aX-Admin:1"),
        ("spiffe://example/billing", "spiffe://example/billing"),
        ("a+b@example.com", "a+b@example.com"),
    ],
)
def test_what_is_not_visible_ascii_is_percent_encoded_and_the_percent_sign_too(subject: str, value: str) -> None:
    assert told(Identity(subject, "jwt"))["x-user-id"] == value


@given(Names, Names, Words, Words)
def test_a_service_that_decodes_has_what_the_issuer_said(
    subject: str, consumer: str, scopes: frozenset[str], roles: frozenset[str]
) -> None:
    values = told(Identity(subject, "jwt", consumer=consumer, scopes=scopes, roles=roles))
    assert unquote(values["x-user-id"], errors="strict") == subject
    assert unquote(values["x-consumer"], errors="strict") == consumer
    assert {unquote(word) for word in values.get("x-user-scopes", "").split()} == scopes
    assert {unquote(word) for word in values.get("x-user-roles", "").split()} == roles


@given(Names)
def test_no_subject_breaks_its_header_or_reads_as_two_words(subject: str) -> None:
    pairs = identity_headers(Identity(subject, "jwt"))
    assert Headers(pairs).pairs == list(pairs)
    message_head([name + b": " + value for name, value in pairs])
    assert re.fullmatch(rb"[\x21-\x7e]+", pairs[0][1])


@pytest.mark.parametrize("hole", ["\r", "\n", "\r\n", "\0", "\x85", "\u2028", "\ud800"])
def test_even_a_subject_that_got_past_identitys_check_cannot_break_a_header(hole: str) -> None:
    identity = Identity("x", "jwt")
    object.__setattr__(identity, "subject", f"anna{hole}X-User-Roles: admin")
    if hole == "\ud800":
        with pytest.raises(UnicodeEncodeError):
            identity_headers(identity)
    else:
        assert re.fullmatch(r"anna[%A-F0-9]+X-User-Roles:%20admin", told(identity)["x-user-id"])


def test_headers_are_made_once_for_an_object_and_never_taken_from_another() -> None:
    one, same_name = Identity("anna", "jwt"), Identity("anna", "jwt", roles=frozenset({"admin"}))
    assert identity_headers(one) is identity_headers(one)
    assert "x-user-roles" not in told(one)
    assert told(same_name)["x-user-roles"] == "admin"


def test_only_so_many_callers_are_remembered() -> None:
    for number in range(REMEMBERED + 10):
        identity_headers(Identity(str(number), "jwt"))
    assert identity_headers.cache_info().currsize == REMEMBERED


def test_the_longest_subject_stays_within_what_services_take() -> None:
    assert len(told(Identity("\U0001f600" * LONGEST_SUBJECT, "jwt"))["x-user-id"]) == 12 * LONGEST_SUBJECT
