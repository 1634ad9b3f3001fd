"""Concurrency metrics: the numbers as they stand, under the names that operators know."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from api_gateway.core.errors import Overloaded
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.middleware.bulkhead import BulkheadMiddleware
from api_gateway.middleware.load_shedding import LoadSheddingMiddleware
from api_gateway.middleware.metrics.concurrency import ConcurrencyMetrics
from tests.support.lag import Late

REQUEST = Request("GET", "/")


def shown(metrics: ConcurrencyMetrics) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(metrics)
    lines = generate_latest(registry).decode().splitlines()
    return {
        name.removeprefix("api_gateway_concurrency_"): float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))
    }


async def test_they_show_what_is_in_flight_and_what_was_refused() -> None:
    gate = asyncio.Event()

    async def service(request: Request, context: RequestContext) -> Response:
        await gate.wait()
        return Response()

    metrics = ConcurrencyMetrics()
    bulkhead = BulkheadMiddleware(2, 1, name="users")
    shedding = LoadSheddingMiddleware(BulkheadMiddleware(5, name="load_shedding"), lag=Late(1))
    metrics.watch(bulkhead)
    metrics.watch(shedding)

    async def call() -> Response:
        return await bulkhead(REQUEST, RequestContext(), service)

    tasks = [asyncio.create_task(call()) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await shedding(REQUEST, RequestContext(), service)
    assert shown(metrics) == {
        'limit{name="users"}': 2,
        'in_flight{name="users"}': 2,
        'queued{name="users"}': 1,
        'refusals_total{name="users",priority="default",reason="full"}': 1,
        'limit{name="load_shedding"}': 5,
        'in_flight{name="load_shedding"}': 0,
        'queued{name="load_shedding"}': 0,
        'refusals_total{name="load_shedding",priority="default",reason="lag"}': 1,
    }
    gate.set()
    await asyncio.wait(tasks)
    assert isinstance(tasks[3].exception(), Overloaded)
    assert shown(metrics)['in_flight{name="users"}'] == 0


def test_two_of_one_name_are_one() -> None:
    metrics = ConcurrencyMetrics()
    metrics.watch(BulkheadMiddleware(2, name="a"))
    metrics.watch(BulkheadMiddleware(3, name="a"))
    assert shown(metrics)['limit{name="a"}'] == 5


def test_a_second_set_in_one_registry_is_refused() -> None:
    registry = CollectorRegistry()
    registry.register(ConcurrencyMetrics())
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(ConcurrencyMetrics())
