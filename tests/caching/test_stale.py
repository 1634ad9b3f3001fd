"""Stale: the windows past the lifetime, and what closes them."""

from __future__ import annotations

import pytest

from api_gateway.caching.cache_control import RequestDirectives
from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.caching.freshness import Facts, facts_of
from api_gateway.caching.stale import if_error, kept_for, while_revalidating
from api_gateway.core.headers import Headers
from tests.support.caching import NOW

_SILENT = RequestDirectives()
_LENIENT = CachePolicy(stale_while_revalidate=5, stale_if_error=7)


def _facts(cache_control: str, *, etag: str = "") -> Facts:
    headers = Headers([("cache-control", cache_control), *([("etag", etag)] if etag else [])])
    return facts_of(200, headers, NOW, NOW)


@pytest.mark.parametrize(
    ("said", "revalidate", "error"),
    [
        ("max-age=1", 5, 7),
        ("max-age=1, stale-while-revalidate=30, stale-if-error=60", 30, 60),
        ("max-age=1, stale-while-revalidate=0, stale-if-error=0", 0, 0),
        ("max-age=1, must-revalidate, stale-while-revalidate=30, stale-if-error=60", 0, 0),
        ("max-age=1, proxy-revalidate, stale-if-error=60", 0, 0),
        ("s-maxage=1, stale-while-revalidate=30", 0, 0),
        ("no-cache, stale-if-error=60", 0, 0),
    ],
)
def test_the_windows(said: str, revalidate: float, error: float) -> None:
    assert while_revalidating(_facts(said), _LENIENT) == revalidate
    assert if_error(_facts(said), _SILENT, _LENIENT) == error


def test_there_are_none_by_default() -> None:
    assert while_revalidating(_facts("max-age=1"), CachePolicy()) == 0
    assert if_error(_facts("max-age=1"), _SILENT, CachePolicy()) == 0


def test_a_request_may_widen_the_window_for_errors_or_close_it() -> None:
    facts = _facts("max-age=1, stale-if-error=60")
    assert if_error(facts, RequestDirectives(stale_if_error=90), CachePolicy()) == 90
    assert if_error(facts, RequestDirectives(no_cache=True), CachePolicy()) == 0
    assert if_error(_facts("max-age=1, must-revalidate"), RequestDirectives(stale_if_error=90), CachePolicy()) == 0


@pytest.mark.parametrize(
    ("said", "etag", "seconds"),
    [
        ("max-age=60", "", 60 + 3600),
        ("max-age=60, stale-if-error=9000", "", 60 + 9000),
        ("max-age=60, stale-while-revalidate=9000", "", 60 + 9000),
        ("s-maxage=60, stale-if-error=9000", "", 60 + 3600),
        ("max-age=0", "", 0),
        ("no-cache, max-age=60", "", 0),
        ("no-cache, max-age=60", '"a"', 60 + 3600),
        ("max-age=0", '"a"', 3600),
    ],
)
def test_an_answer_is_kept_as_long_as_it_may_be_of_use(said: str, etag: str, seconds: float) -> None:
    assert kept_for(_facts(said, etag=etag), NOW, CachePolicy()) == seconds


def test_one_that_came_old_is_kept_to_be_validated() -> None:
    old = [("cache-control", "max-age=60"), ("age", "9000")]
    validates, does_not = (facts_of(200, Headers([*old, *more]), NOW, NOW) for more in ([("etag", '"a"')], []))
    assert kept_for(validates, NOW, CachePolicy()) == 3600
    assert kept_for(does_not, NOW, CachePolicy()) == 0
