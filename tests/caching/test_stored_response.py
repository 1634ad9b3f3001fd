"""Stored response: a value that knows its own facts."""

from __future__ import annotations

from dataclasses import replace

from api_gateway.core.headers import Headers
from tests.support.caching import storing


def test_the_facts_are_read_once_and_go_with_another_body() -> None:
    stored = storing(("cache-control", "max-age=60"))
    assert stored.facts is stored.facts
    other = stored.with_body(b"x")
    assert (other.body, stored.body) == (b"x", b"0123456789")
    assert other.facts is stored.facts


def test_other_fields_have_other_facts() -> None:
    stored = storing(("cache-control", "max-age=60"))
    other = replace(stored, headers=Headers({"cache-control": "max-age=5"}))
    assert (stored.facts.explicit, other.facts.explicit) == (60, 5)


def test_the_effort_is_never_negative() -> None:
    assert storing(("cache-control", "max-age=60"), took=2).effort == 2
    assert storing(("cache-control", "max-age=60"), took=-2).effort == 0
