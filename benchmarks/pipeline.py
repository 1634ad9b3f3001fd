"""Pipeline: CPU for one request through middleware and routing, without a network.

Rule: layers are added one at a time, from the service outwards; the cost of a layer is the
difference to the row before. Rows are measured in turn, several times, and the least of each
counts: noise only ever adds.

CPU is the process's own (`time.process_time`), so a stolen core does not show. Every 32 requests
the loop gets a turn, as a server with 32 connections would give it: timers and the loop's own work
are part of the cost.

The bar is on the layers that every gateway has. The row behind it is one rate limit in memory, admitted.
"""

from __future__ import annotations

import asyncio
import time

from api_gateway import ApiGateway, Handler, Headers, Middleware, Request, RequestContext, Response, Route, Router
from api_gateway.core.clock import SystemClock
from api_gateway.middleware.deadline import DeadlineMiddleware
from api_gateway.middleware.forwarded import ForwardedMiddleware
from api_gateway.middleware.metrics.metrics_middleware import MetricsMiddleware
from api_gateway.middleware.rate_limit.keys import by_client_ip
from api_gateway.middleware.rate_limit.policy import RatePolicy
from api_gateway.middleware.rate_limit.rate_limit_middleware import RateLimitMiddleware
from api_gateway.middleware.request_id import RequestIdMiddleware
from api_gateway.rate_limiting import TokenBucket
from api_gateway.rate_limiting.limit_store import Limit
from api_gateway.rate_limiting.memory_store import MemoryStore
from benchmarks import event_loop
from benchmarks.machine import Machine, pinned
from benchmarks.report import Bar, Report, table

LIMIT = 15.0
"""Microseconds of CPU for one request through all layers."""

_LAST_OF_THE_BAR = "+ metrics"
_TURN = 32
_ROUTES = (
    Route("/api/users/*", "users", strip_prefix=True),
    Route("/api/orders/{id}", "users", methods=["GET"]),
    *(Route(f"/api/{name}/*", "users") for name in ("payments", "products", "shipping", "reviews")),
    Route("/api/*", "users"),
)
_REQUEST_HEADERS = Headers(
    {
        "host": "api.example.com",
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "accept": "application/json",
        "accept-language": "en-GB,en;q=0.8",
        "accept-encoding": "gzip, deflate, br",
        "connection": "keep-alive",
        "authorization": "Bearer not-looked-at",
        "cookie": "session=not-looked-at",
    }
)
_ANSWER = Headers({"server": "origin", "content-type": "application/json", "content-length": "2"})


def run(machine: Machine, *, requests: int = 50_000, rounds: int = 5) -> Report:
    """Measure every row."""
    report = Report(f"pipeline: CPU us a request, in-process, {event_loop.NAME}, best of {rounds} x {requests:,}")
    with pinned(machine.test_core):
        costs = event_loop.run(_measure(rows(), requests, rounds))
    before = 0.0
    lines = []
    for name, cost in costs.items():
        lines.append([name, f"{cost:.2f}", f"{cost - before:+.2f}"])
        before = cost
    report.table = table(("", "CPU us", "adds"), lines)
    report.figures = {"cpu_microseconds": costs}
    report.bars = [Bar("pipeline CPU", costs[_LAST_OF_THE_BAR], LIMIT, at_least=False, unit=" us")]
    return report


def rows() -> dict[str, Handler]:
    """What is measured, each row the one before and one more layer."""
    outwards: dict[str, Middleware] = {
        "deadline": DeadlineMiddleware(3.0),
        "forwarded": ForwardedMiddleware(),
        "request id": RequestIdMiddleware(),
        "metrics": MetricsMiddleware(),
    }
    handlers: dict[str, Handler] = {
        "service alone": _service,
        "gateway (errors, canonical, route)": _gateway([]),
    }
    layers: list[Middleware] = []
    for name, layer in outwards.items():
        layers.insert(0, layer)
        handlers[f"+ {name}"] = _gateway(layers)
    handlers["+ rate limit"] = _gateway([*layers, _rate_limit()])
    return handlers


def _rate_limit() -> Middleware:
    limit = Limit("client_ip:1000000/s", "token_bucket", 1_000_000, 1.0)
    store = MemoryStore({limit: TokenBucket(limit.limit, limit.period)})
    return RateLimitMiddleware([RatePolicy(limit, by_client_ip)], store)


async def _service(_request: Request, _context: RequestContext) -> Response:
    return Response(200, _ANSWER, b"{}")


def _gateway(middleware: list[Middleware]) -> Handler:
    return ApiGateway(Router(_ROUTES), {"users": _service}, middleware).handle


async def _measure(handlers: dict[str, Handler], requests: int, rounds: int) -> dict[str, float]:
    best = dict.fromkeys(handlers, float("inf"))
    for _ in range(rounds):
        for name, handler in handlers.items():
            best[name] = min(best[name], await _cost(handler, requests))
    return best


async def _cost(handler: Handler, requests: int) -> float:
    """Microseconds of CPU for one request: its context, the answer, and closing that."""
    monotonic = SystemClock.monotonic
    request = Request.from_parts("GET", "/api/users/42", "", _REQUEST_HEADERS, b"")
    turns = requests // _TURN
    started = time.process_time()
    for _ in range(turns):
        for _ in range(_TURN):
            response = await handler(request, RequestContext(monotonic(), "192.0.2.7", "http", "1.1"))
            await response.close()
        await asyncio.sleep(0)
    return (time.process_time() - started) / (turns * _TURN) * 1e6
