"""Validation: conditions of clients, ours, and updates by 304 and HEAD."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.caching.validation import (
    client_is_current,
    head_agrees,
    is_about,
    not_modified_fields,
    unconditional,
    updated_fields,
    validating,
)
from api_gateway.core.headers import Headers
from api_gateway.core.request import Request
from tests.support.caching import Pairs, date, storing

_FRESH = ("cache-control", "max-age=60")


@pytest.mark.parametrize(
    ("etag", "wanted", "current"),
    [
        ('"a"', ['"a"'], True),
        ('"a"', ['W/"a"'], True),  # weak comparison
        ('W/"a"', ['"a"'], True),
        ('W/"a"', ['W/"a"'], True),
        ('"a"', ['"b"'], False),
        ('"a"', ['"b", "a", "c"'], True),
        ('"a"', ['"b"', '"a"'], True),
        ('"a"', ["*"], True),
        ("", ["*"], True),
        ("", ['"a"'], False),
        ('"a,b"', ['"a,b"'], True),
        ('"a"', ['"a,b"'], False),
        ('"a"', ["a"], False),
        ("a", ["a"], True),
        ('W\\"a"', ['W\\"a"'], True),
        ('"abcdef\xfc"', ['"abcdef\xfc"'], True),
    ],
)
def test_if_none_match(etag: str, wanted: list[str], *, current: bool) -> None:
    stored = storing(_FRESH, *([("etag", etag)] if etag else []), ("last-modified", date(-5000)))
    since = [("if-modified-since", date())]  # 13.1.3: does not count beside If-None-Match
    headers = Headers([*[("if-none-match", value) for value in wanted], *since])
    assert client_is_current(headers, stored.facts) is current


@pytest.mark.parametrize(
    ("changed", "since", "current"),
    [
        (-3000, [date(-3000)], True),
        (-3000, [date(-2000)], True),
        (-3000, [date(-4000)], False),
        (None, [date()], True),  # 4.3.2: Date stands in
        (None, [date(-1)], False),
        (-3000, ["yesterday"], False),
        (-3000, [date(), date()], False),
        (-3000, [], False),
    ],
)
def test_if_modified_since(changed: float | None, since: list[str], *, current: bool) -> None:
    stored = storing(_FRESH, *([("last-modified", date(changed))] if changed else []))
    headers = Headers([("if-modified-since", value) for value in since])
    assert client_is_current(headers, stored.facts) is current


def test_our_validators_take_the_place_of_the_clients() -> None:
    stored = storing(_FRESH, ("etag", 'W/"a"'), ("last-modified", date(-5)))
    request = Request("GET", "/a?b", {"x": "1", "if-none-match": '"mine"', "if-modified-since": "z", "range": "r"})
    sent = validating(request, stored.facts)
    assert sent.target == "/a?b"
    assert list(sent.headers) == [
        ("x", "1"),
        ("range", "r"),
        ("if-none-match", 'W/"a"'),
        ("if-modified-since", date(-5)),
    ]


def test_an_unconditional_request_is_a_get_of_the_whole() -> None:
    headers = {"x": "1", "if-none-match": "a", "if-modified-since": "b", "range": "c", "if-range": "d"}
    plain = unconditional(Request("HEAD", "/a", headers))
    assert (plain.method, list(plain.headers)) == ("GET", [("x", "1")])


@pytest.mark.parametrize(
    ("stored", "newer", "about"),
    [
        ('"a"', '"a"', True),
        ('W/"a"', '"a"', True),
        ('"a"', 'W/"a"', True),
        ('"a"', None, True),
        (None, '"a"', True),
        ('"a"', '"b"', False),
        ("a", '"a"', False),
    ],
)
def test_a_304_is_about_the_tag_it_names(stored: str | None, newer: str | None, *, about: bool) -> None:
    kept = storing(_FRESH, *([("etag", stored)] if stored else []))
    assert is_about(kept, Headers([("etag", newer)] if newer else [])) is about


def test_a_304_replaces_what_it_has() -> None:
    stored = storing(_FRESH, ("x", "1"), ("x", "2"), ("y", "3"), ("age", "9"), ("etag", '"a"'))
    fields = updated_fields(
        stored, Headers([("x", "4"), ("cache-control", "max-age=5"), ("date", date(9)), ("z", "5")])
    )
    assert sorted(fields) == sorted(
        [("x", "4"), ("y", "3"), ("z", "5"), ("cache-control", "max-age=5"), ("date", date(9)), ("etag", '"a"')]
    )


def test_a_weak_tag_does_not_become_strong() -> None:
    stored = storing(_FRESH, ("etag", 'W/"a"'))
    assert updated_fields(stored, Headers({"etag": '"a"'})).get_all("etag") == ['W/"a"']


_ABOUT_THE_BYTES = ("content-length", "content-encoding", "content-range")


@given(st.lists(st.tuples(st.sampled_from([*_ABOUT_THE_BYTES, "x", "etag", "date"]), st.sampled_from("abc"))))
def test_a_304_never_changes_what_describes_the_bytes(newer: Pairs) -> None:
    stored = storing(_FRESH, ("content-length", "10"), ("content-encoding", "gzip"))
    fields = updated_fields(stored, Headers(newer))
    for name in _ABOUT_THE_BYTES:
        assert fields.get_all(name) == stored.headers.get_all(name)


@pytest.mark.parametrize(
    ("head", "agrees"),
    [
        ([], True),
        ([("x", "2"), ("cache-control", "max-age=1000")], True),
        ([("content-length", "10"), ("etag", '"a"')], True),
        ([("content-length", "11")], False),
        ([("etag", '"b"')], False),
        ([("last-modified", date())], False),
    ],
)
def test_a_head_agrees_as_far_as_it_says_anything(head: Pairs, *, agrees: bool) -> None:
    assert head_agrees(storing(_FRESH, ("etag", '"a"')), Headers(head)) is agrees


def test_a_304_has_what_a_cache_needs_and_nothing_about_a_body() -> None:
    kept = [(b"etag", b'"a"'), (b"content-location", b"/x"), (b"content-security-policy", b"x"), (b"vary", b"a")]
    dropped = [(b"content-length", b"1"), (b"content-type", b"x"), (b"content-encoding", b"gzip")]
    assert not_modified_fields(kept + dropped) == kept
