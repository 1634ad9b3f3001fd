"""The report: an X-ray in lines."""

from __future__ import annotations

from api_gateway.core.xray.facts import Facts
from api_gateway.core.xray.report import report
from api_gateway.core.xray.step import Step


def step(name: str, outcome: str, began: int, duration: int, *inner: Step, **facts: Facts) -> Step:
    known: dict[str, Facts] = {"before": {}, "after": {}, "found": {}, "request": {}, "response": {}, **facts}
    return Step(
        name=name,
        about="",
        began=began,
        duration=duration,
        outcome=outcome,
        inner=inner,
        status=200,
        passed_back=False,
        **known,
    )


def test_each_step_is_a_line_with_its_times_and_its_facts_below() -> None:
    chosen = step(
        "backend service orders",
        "answered 200",
        200_000,
        40_000_000,
        before={"balancer": "round robin", "endpoints": {"http://a": {"in flight": 1}, "http://b": {"in flight": 0}}},
        after={"endpoints": {"http://a": {"in flight": 1}, "http://b": {"in flight": 1}}},
        found={"endpoint": "http://b", "attempts": 1},
    )
    limit = step(
        "rate limit",
        "passed on, 200 came back",
        0,
        41_000_000,
        chosen,
        before={"remaining": 10, "dry run": False, "waits": None},
        after={"remaining": 9},
        request={"headers added": ["x-a: 1", "x-b: 2"]},
    )
    assert report("GET /orders", 200, limit).splitlines() == [
        "GET /orders -> 200 in 41 ms",
        "",
        "began     own       step",
        "0         1 ms      rate limit: passed on, 200 came back",
        "                      by        remaining  10 -> 9",
        "                                dry run    no",
        "                                waits      none",
        "                      request   headers added  x-a: 1",
        "                                               x-b: 2",
        "200 us    40 ms      backend service orders: answered 200",
        "                       by        balancer   round robin",
        "                                 endpoints  http://a  in flight 1",
        "                                            http://b  in flight 0 -> 1",
        "                       found     endpoint  http://b",
        "                                 attempts  1",
    ]
