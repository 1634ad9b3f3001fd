"""Router: what a match costs as the table grows.

Rule: the cost must not grow with the number of routes. Every table holds the same ten routes,
among ever more others; those ten are asked for, so that only the size of the table differs.

Beside it, `anywhere`: requests over the whole table. It costs more in large tables, not because
the router takes more steps but because ten thousand routes do not fit the processor's caches. No
algorithm avoids that, so the bar is on the first figure and the second is shown.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from api_gateway import Request, Route, Router
from benchmarks.machine import Machine, pinned
from benchmarks.report import Bar, Report, table

SIZES = (10, 100, 1_000, 10_000)
LIMIT = 1.3
"""What a match among the most routes may cost, as a multiple of one among the fewest."""


def run(machine: Machine, *, matches: int = 20_000, rounds: int = 15) -> Report:
    """Measure every size."""
    report = Report(f"router: CPU us for one match, best of {rounds} x {matches:,}")
    with pinned(machine.test_core):
        tables = [_build(size) for size in SIZES]
        routers = [router for router, _ in tables]
        same = measure(routers, [requests_for(SIZES[0], matches)] * len(SIZES), rounds)
        anywhere = measure(routers, [requests_for(size, matches) for size in SIZES], max(1, rounds // 3))
    rows = [
        [f"{size:,} routes", f"{near:.2f}", f"{near / same[0]:.2f} x", f"{far:.2f}", f"{seconds * 1e3:.1f}"]
        for size, near, far, (_, seconds) in zip(SIZES, same, anywhere, tables, strict=True)
    ]
    report.table = table(("", "same ten", "of 10 routes", "anywhere", "built in ms"), rows)
    report.figures = {
        "same_ten_microseconds": dict(zip(SIZES, same, strict=True)),
        "anywhere_microseconds": dict(zip(SIZES, anywhere, strict=True)),
        "build_seconds": {size: seconds for size, (_, seconds) in zip(SIZES, tables, strict=True)},
    }
    growth = same[-1] / same[0]
    report.bars = [Bar(f"match among {SIZES[-1]:,} / among {SIZES[0]}", growth, LIMIT, at_least=False, unit="x")]
    return report


def routes(size: int) -> list[Route]:
    """A table of `size`: tails, parameters and exact paths under one prefix, as real tables have them."""
    return [_route(number) for number in range(size)]


def _route(number: int) -> Route:
    prefix = f"/api/service-{number}"
    kinds = (f"{prefix}/*", f"{prefix}/items/{{id}}", f"{prefix}/status")
    return Route(kinds[number % len(kinds)], "service")


def requests_for(size: int, count: int) -> list[Request]:
    """`count` requests that match the first `size` routes, in a fixed random order."""
    dice = random.Random(1)
    paths = [route.path.replace("{id}", "42").replace("*", "items/42") for route in routes(size)]
    known = [Request("GET", path) for path in paths]
    return [known[dice.randrange(size)] for _ in range(count)]


def measure(routers: Sequence[Router], asked: Sequence[Sequence[Request]], rounds: int) -> list[float]:
    """Microseconds of CPU for one match in each router, the best of several rounds in turn."""
    best = [float("inf")] * len(routers)
    for _ in range(rounds):
        for index, (router, requests) in enumerate(zip(routers, asked, strict=True)):
            best[index] = min(best[index], _cost(router, requests))
    return best


def _build(size: int) -> tuple[Router, float]:
    table_of_routes = routes(size)
    started = time.process_time()
    return Router(table_of_routes), time.process_time() - started


def _cost(router: Router, requests: Sequence[Request]) -> float:
    match = router.match
    started = time.process_time()
    for request in requests:
        match(request)
    return (time.process_time() - started) / len(requests) * 1e6
