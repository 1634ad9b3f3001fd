"""Plain answers: the short way finds what the long way finds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.caching.plain_answer import SPECIAL, plain_outcome
from api_gateway.caching.verdicts import Nothing, Outcome, Store
from api_gateway.core.headers import Headers
from tests.support.caching import DEFAULT, NOW, Pairs, answering, asking, date

_DIRECTIVES = (
    "public", "private", "no-store", "no-cache", "must-revalidate", "must-understand", "max-age=60", "max-age=0",
    "max-age=x", "s-maxage=5", "stale-if-error=9000", "stale-while-revalidate=9", 'private="x-a"', 'no-cache="etag"',
    'extension="',
)  # fmt: skip
_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "cache-control": st.lists(st.sampled_from(_DIRECTIVES), max_size=4).map(", ".join),
        "date": st.sampled_from([date(), date(-30), date(30), "Saturday, 21-Nov-26 13:00:00 GMT", "x"]),
        "etag": st.sampled_from(['"a"', ""]),
        "last-modified": st.sampled_from([date(-1000), "x"]),
        "content-type": st.just("text/plain"),
        "expires": st.sampled_from([date(9), "0"]),
        "age": st.sampled_from(["5", "x"]),
        "vary": st.sampled_from(["accept", "Accept-Encoding, x-a", "", "*", "a b"]),
        "set-cookie": st.just("a=b"),
        "connection": st.just("x-a"),
        "cache-tag": st.just("a, b"),
        "content-range": st.just("bytes 0-1/2"),
    },
)
_TWICE: Pairs = [("x-twice", "1"), ("x-twice", "2")]
"""Whoever has these goes the long way, and nothing else comes of them."""


def _seen(outcome: Outcome) -> object:
    if not isinstance(outcome, Store):
        return outcome
    head = outcome.head
    facts = head.facts._replace(pairs=[])
    fields = [pair for pair in head.headers.pairs if pair[0] != b"x-twice"]
    return outcome[1:], head.status, fields, head.selecting, head.tags, head.asked_at, head.answered_at, facts


@given(
    fields=_FIELDS,
    status=st.sampled_from([200, 206, 301, 404, 429, 500, 599]),
    took=st.sampled_from([0, 0.4, 3]),
    at=st.sampled_from([0, 0.5, 100.25]),
    authorized=st.booleans(),
    keep=st.sampled_from([0.0, 3600.0]),
    namespace=st.sampled_from(["", "a"]),
)
def test_the_short_way_finds_what_the_long_way_finds(
    fields: dict[str, str], status: int, took: float, at: float, keep: float, namespace: str, *, authorized: bool
) -> None:
    policy = CachePolicy(early_refresh=0, keep=keep, namespace=namespace, stale_if_error=7.0)
    asked = asking(("accept-encoding", "gzip"), *([("authorization", "x")] if authorized else []), policy=policy)
    either = [
        _seen(answering(asked, *fields.items(), *more, status=status, took=took, at=at, policy=policy))
        for more in ((), _TWICE)
    ]
    assert either[0] == either[1]


def _short(fields: dict[bytes, bytes]) -> Outcome | None:
    return plain_outcome(asking(), 200, Headers.from_pairs([*fields.items()]), fields, b"", NOW, NOW, DEFAULT)


_PLAIN = {b"date": date().encode(), b"cache-control": b"max-age=60"}


def test_the_common_answer_goes_the_short_way() -> None:
    assert isinstance(_short(_PLAIN), Store)
    assert isinstance(_short({**_PLAIN, b"vary": b"accept-encoding"}), Store)
    assert _short({**_PLAIN, b"cache-control": b"no-store"}) == Nothing("no-store")


@pytest.mark.parametrize("name", sorted(SPECIAL))
def test_an_answer_with_a_field_that_has_a_say_of_its_own_goes_the_long_way(name: bytes) -> None:
    assert _short({**_PLAIN, name: b"1"}) is None


@pytest.mark.parametrize(
    "other",
    [
        {b"cache-control": b"max-age=60, " + b"x" * 128},
        {b"vary": b"x, " * 43 + b"x"},
        {b"cache-control": b"public"},
        {b"cache-control": b'max-age=60, private="x-a"'},
        {b"date": b"today"},
        {b"date": b"Saturday, 21-Nov-26 13:00:00 GMT"},
    ],
    ids=["long", "long Vary", "no lifetime", "a field withheld", "no date", "an old form of date"],
)
def test_an_answer_that_takes_more_than_arithmetic_goes_the_long_way(other: dict[bytes, bytes]) -> None:
    assert _short({**_PLAIN, **other}) is None
