"""Aggregate caching: as long as the shortest, for those only whom all allow."""

from __future__ import annotations

import pytest

from api_gateway.backend.aggregate_caching import caching_of, varying_of
from api_gateway.core.headers import Headers


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], None),
        ([{}, {}], None),
        ([{"cache-control": "max-age=60"}, {"cache-control": "max-age=30"}], "max-age=30"),
        ([{"cache-control": "max-age=60"}, {}], "max-age=0"),
        ([{"cache-control": "max-age=60", "age": "50"}, {"cache-control": "max-age=30"}], "max-age=10"),
        ([{"cache-control": "max-age=60", "age": "90"}], "max-age=0"),
        ([{"cache-control": "max-age=60", "age": "long"}], "max-age=0"),
        ([{"cache-control": "max-age=60"}, {"cache-control": "no-store"}], "no-store"),
        ([{"cache-control": "max-age=60"}, {"cache-control": "private, max-age=90"}], "private, max-age=60"),
        ([{"cache-control": 'private="x", max-age=9'}], "private, max-age=9"),
        ([{"cache-control": "max-age=60"}, {"cache-control": "no-cache"}], "max-age=0, no-cache"),
        ([{"cache-control": "public, max-age=60"}, {"cache-control": "s-maxage=9"}], "public, max-age=9"),
        ([{"cache-control": "public, max-age=60"}, {"cache-control": "max-age=9"}], "max-age=9"),
        (
            [{"cache-control": "must-revalidate, max-age=60"}, {"cache-control": "max-age=9"}],
            "private, max-age=9, must-revalidate",
        ),
        ([{"cache-control": "must-revalidate, max-age=60"}], "public, max-age=60, must-revalidate"),
        ([{"cache-control": "max-age=60, stale-if-error=9"}], "max-age=60"),
        (
            [{"cache-control": "max-age=60"}, {"cache-control": "max-age=60", "set-cookie": "a=b"}],
            "private, max-age=60",
        ),
        ([{"set-cookie": "a=b"}], "private"),
    ],
)
def test_the_most_restrictive_wins(parts: list[dict[str, str]], expected: str | None) -> None:
    assert caching_of([Headers(part) for part in parts]) == expected
    assert caching_of([Headers(part) for part in reversed(parts)]) == expected


def test_an_answer_about_the_caller_is_private() -> None:
    assert caching_of([Headers({"cache-control": "public, max-age=60"})], private=True) == "private, max-age=60"
    assert caching_of([], private=True) == "private"


def test_the_answer_varies_with_what_any_part_varies_with_and_the_paths_read() -> None:
    parts = [Headers({"vary": "Accept, Accept-Language"}), Headers({"vary": "x-tenant,accept-encoding"}), Headers()]
    assert varying_of(parts, ()) == "accept-language, x-tenant"
    assert varying_of(parts, {"x-region"}) == "accept-language, x-region, x-tenant"
    assert varying_of([*parts, Headers({"vary": "*"})], ()) == "*"
    assert varying_of([Headers()], ()) is None
