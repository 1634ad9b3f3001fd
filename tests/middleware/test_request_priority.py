"""Who is in which class: what is proved decides, what is claimed can only lower."""

from __future__ import annotations

import pytest

from api_gateway.core.identity import Identity
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.middleware.request_priority import RequestPriority, same_for_all
from api_gateway.resilience.priority import Priority

CRITICAL, DEFAULT, SHEDDABLE = Priority.CRITICAL, Priority.DEFAULT, Priority.SHEDDABLE


def request(claim: str | None = None) -> Request:
    return Request("GET", "/", {} if claim is None else {"x-priority": claim})


def context(tier: str = "", route: str = "") -> RequestContext:
    found = RequestContext()
    found.identity, found.route = Identity("anna", "api_key", tier=tier), route
    return found


def test_all_are_the_same_unless_somebody_says_so() -> None:
    assert same_for_all(request("critical"), context("gold", "pay")) is DEFAULT
    assert RequestPriority()(request("sheddable"), context("gold", "pay")) is DEFAULT


@pytest.mark.parametrize(
    ("tier", "route", "expected"),
    [("gold", "reports", CRITICAL), ("", "reports", SHEDDABLE), ("tin", "other", DEFAULT), ("", "pay", CRITICAL)],
)
def test_the_tier_decides_before_the_route(tier: str, route: str, expected: Priority) -> None:
    priority_of = RequestPriority(tiers={"gold": CRITICAL}, routes={"reports": SHEDDABLE, "pay": CRITICAL})
    assert priority_of(request(), context(tier, route)) is expected


@pytest.mark.parametrize(
    ("claim", "expected"),
    [(None, DEFAULT), ("sheddable", SHEDDABLE), (" Sheddable ", SHEDDABLE), ("critical", DEFAULT), ("vip", DEFAULT)],
)
def test_a_claim_lowers_and_never_raises(claim: str | None, expected: Priority) -> None:
    assert RequestPriority(header="X-Priority")(request(claim), context()) is expected


def test_a_claim_raises_only_where_it_is_trusted() -> None:
    trusting = RequestPriority(SHEDDABLE, header="X-Priority", trust_header=True)
    assert trusting(request("critical"), context()) is CRITICAL
    assert trusting(request("vip"), context()) is SHEDDABLE
