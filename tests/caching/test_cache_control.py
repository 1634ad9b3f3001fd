"""Cache-Control: read so that a mistake never widens it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.caching.cache_control import (
    MOST_SECONDS,
    RequestDirectives,
    ResponseDirectives,
    request_directives,
    response_directives,
)

_lines = st.lists(
    st.lists(
        st.sampled_from(
            ["max-age", "=", "60", '"', ",", " ", "no-store", "private", "no-cache", "\\", "a", "public", "-"]
        )
    ).map("".join)
    | st.text(st.characters(max_codepoint=255)),
    max_size=4,
)


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        (["max-age=60"], 60),
        (["MaX-aGe=60"], 60),
        (['max-age="60"'], 60),
        (["max-age=0060"], 60),
        (["max-age=60 "], 60),
        (["foobar, max-age=60"], 60),
        (['extension="max-age=3600", max-age=1'], 1),
        (['max-age=1, extension="max-age=3600"'], 1),
        (['extension="max-age=3600\\", max-age=5", max-age=1'], 1),
        (["max-age=60, max-age=1"], 60),  # 4.2.1: the first
        (["max-age=1", "max-age=60"], 1),
        (["max-age=2147483648"], MOST_SECONDS),  # 1.2.2
        (["max-age=99999999999"], MOST_SECONDS),
        (["max-age=" + "9" * 5000], MOST_SECONDS),
        (["max-age=0"], 0),
        (["max-age"], 0),  # 4.2.1: invalid freshness is stale
        (["max-age="], 0),
        (["max-age=a60"], 0),
        (["max-age=60a"], 0),
        (["max-age=60.5"], 0),
        (["max-age=-60"], 0),
        (["max-age=+60"], 0),
        (["max-age='60'"], 0),
        (["max-age =60"], 0),
        (["max-age= 60"], 0),
        (["max-age=x, max-age=60"], 0),
        (["max-age=\u00b2"], 0),
        (["s-maxage=60"], None),
        ([""], None),
        ([], None),
    ],
)
def test_the_lifetime_that_max_age_gives(lines: list[str], seconds: int | None) -> None:
    assert response_directives(lines).max_age == seconds


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("no-store", ResponseDirectives(no_store=True)),
        ("No-StOrE", ResponseDirectives(no_store=True)),
        ("no-store =x", ResponseDirectives(no_store=True)),
        ("no-store=0", ResponseDirectives(no_store=True)),
        ("private", ResponseDirectives(private=True)),
        ('private=""', ResponseDirectives(private=True)),
        ("private=", ResponseDirectives(private=True)),
        ("private='a'", ResponseDirectives(private=True)),
        ('private ="a"', ResponseDirectives(private=True)),
        ('private="a b"', ResponseDirectives(private=True)),
        ('private="a", private', ResponseDirectives(private=True)),
        ('private="Set-Cookie, X-User"', ResponseDirectives(private_fields=frozenset({b"set-cookie", b"x-user"}))),
        ("private=x-user", ResponseDirectives(private_fields=frozenset({b"x-user"}))),
        ("no-cache", ResponseDirectives(no_cache=True)),
        ('no-cache="a,b"', ResponseDirectives(no_cache_fields=frozenset({b"a", b"b"}))),
        ("public, must-revalidate", ResponseDirectives(public=True, must_revalidate=True)),
        ("proxy-revalidate", ResponseDirectives(proxy_revalidate=True)),
        ("must-understand", ResponseDirectives(must_understand=True)),
        ("s-maxage=x", ResponseDirectives(s_maxage=0)),
        ("stale-while-revalidate=5", ResponseDirectives(stale_while_revalidate=5)),
        ("stale-while-revalidate=x", ResponseDirectives()),
        ("stale-if-error", ResponseDirectives()),
        ('a="x, max-age=60', ResponseDirectives(no_store=True, private=True)),
    ],
)
def test_what_an_answer_says(line: str, expected: ResponseDirectives) -> None:
    assert response_directives([line]) == expected


@pytest.mark.parametrize(
    ("lines", "pragma", "expected"),
    [
        ([], [], RequestDirectives()),
        ([], ["no-cache"], RequestDirectives(no_cache=True)),
        ([], ["No-Cache, x"], RequestDirectives(no_cache=True)),
        ([], ["unrecognised"], RequestDirectives()),
        (["max-age=5"], ["no-cache"], RequestDirectives(max_age=5)),  # 5.4: Cache-Control alone counts
        (["max-age=x"], [], RequestDirectives(max_age=0)),
        (["max-stale"], [], RequestDirectives(max_stale=MOST_SECONDS)),
        (["max-stale=7"], [], RequestDirectives(max_stale=7)),
        (["max-stale=x"], [], RequestDirectives()),
        (["min-fresh=7"], [], RequestDirectives(min_fresh=7)),
        (["min-fresh=x"], [], RequestDirectives(min_fresh=MOST_SECONDS)),
        (["only-if-cached, no-store"], [], RequestDirectives(only_if_cached=True, no_store=True)),
        (["stale-if-error=9"], [], RequestDirectives(stale_if_error=9)),
        (['"'], [], RequestDirectives(no_store=True)),
    ],
)
def test_what_a_request_says(lines: list[str], pragma: list[str], expected: RequestDirectives) -> None:
    assert request_directives(lines, pragma) == expected


@given(_lines)
def test_reading_never_fails_and_never_gives_a_negative_time(lines: list[str]) -> None:
    answer, request = response_directives(lines), request_directives(lines)
    times = (answer.max_age, answer.s_maxage, answer.stale_while_revalidate, answer.stale_if_error, request.max_age)
    assert all(time is None or 0 <= time <= MOST_SECONDS for time in (*times, request.min_fresh, request.max_stale))


@given(_lines, st.sampled_from(["no-store", "private", "no-cache", "must-revalidate"]))
def test_a_restriction_on_a_line_of_its_own_always_counts(lines: list[str], restriction: str) -> None:
    said = response_directives([*lines, restriction])
    assert getattr(said, restriction.replace("-", "_"))


@given(st.lists(st.sampled_from(["max-age=9", "public", 'a="b, c"', "x=y", "s-maxage=3", ""])))
def test_one_line_or_many_say_the_same(members: list[str]) -> None:
    assert response_directives(members) == response_directives([", ".join(members)])
