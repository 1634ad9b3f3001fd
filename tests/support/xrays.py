"""X-rays made by hand: steps with as little as a test is about."""

from __future__ import annotations

from api_gateway.core.request import Request
from api_gateway.core.response import Response
from api_gateway.core.xray.facts import Facts
from api_gateway.core.xray.step import Step
from api_gateway.core.xray.xray import XRay

MILLISECOND = 1_000_000


def step(
    name: str,
    *inner: Step,
    outcome: str = "",
    at: int = 0,
    lasts: int = 0,
    status: int | None = 200,
    passed_back: bool | None = None,
    **told: Facts,
) -> Step:
    """A step that passed on, if there is anything inside it; times in milliseconds. `told` is before, after, ...

    With an `outcome` of its own it changed what it was given, unless `passed_back` says otherwise.
    """
    passed = (
        f"passed on, {status} came back" if len(inner) == 1 else f"passed on {len(inner)} times, {status} came back"
    )
    return Step(
        name=name,
        about="",
        began=at * MILLISECOND,
        duration=lasts * MILLISECOND,
        outcome=outcome or (passed if inner else f"answered {status}"),
        before=told.get("before", {}),
        after=told.get("after", {}),
        found=told.get("found", {}),
        request=told.get("request", {}),
        response=told.get("response", {}),
        inner=inner,
        status=status,
        passed_back=bool(inner) and not outcome if passed_back is None else passed_back,
    )


def xray(first: Step) -> XRay:
    """Of some request."""
    return XRay(Request("GET", "/"), Response(first.status or 500), first)
