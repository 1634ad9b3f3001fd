"""Request facts: which there are, and what they are where it is not plain (`test_template.py` has the rest)."""

from __future__ import annotations

import pytest

from api_gateway.core.clock import ManualClock
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.middleware.request_facts import Seen, fact_named, timestamp


def read(name: str, target: str) -> str | None:
    return fact_named(name).read(Seen(Request("GET", target), RequestContext(), ManualClock()))


@pytest.mark.parametrize(
    ("target", "value"),
    [
        ("/?a=1&a=2", "1"),
        ("/?b=1", None),
        ("/", None),
        ("/?a", ""),
        ("/?%61=x%20y+z", "x y z"),
        ("/?a=%FF%0D%0A", "\ufffd\r\n"),
        ("/?&&a=1=2", "1=2"),
    ],
)
def test_a_query_parameter_is_the_first_of_its_name_decoded(target: str, value: str | None) -> None:
    assert read("query.a", target) == value


def test_what_has_been_decoded_says_so() -> None:
    assert [fact_named(name).encoded for name in ("path.a", "query.a", "identity.subject", "identity.claims.a")] == [
        True
    ] * 4
    assert [fact_named(name).encoded for name in ("path", "header.a", "now", "request_id")] == [False] * 4


def test_a_claim_may_have_dots_in_its_name() -> None:
    assert fact_named("identity.claims.https://example.com/tenant").encoded


def test_the_time_has_milliseconds_and_a_z() -> None:
    assert timestamp(ManualClock(wall=0.0)) == "1970-01-01T00:00:00.000Z"
    assert timestamp(ManualClock(wall=1_705_314_600.1239)) == "2024-01-15T10:30:00.123Z"
