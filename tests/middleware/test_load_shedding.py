"""Load shedding: who is refused at which lag, and what an overloaded gateway still does with it and without."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from random import Random

import pytest

from api_gateway.core.clock import ManualClock
from api_gateway.core.errors import GatewayError, Overloaded
from api_gateway.core.middleware import Handler, Middleware, chain
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.middleware.bulkhead import BulkheadMiddleware
from api_gateway.middleware.load_shedding import LoadSheddingMiddleware
from api_gateway.middleware.request_priority import RequestPriority
from api_gateway.resilience.priority import PRIORITIES, Priority
from api_gateway.simulation import Steady, arrivals, run, spend
from tests.support.lag import Late

PRIORITY = RequestPriority(header="p", trust_header=True)
REQUESTS = {name: Request("GET", "/", {"p": name}) for name in PRIORITIES}


async def service(request: Request, context: RequestContext) -> Response:
    return Response()


async def admitted(handler: Handler) -> set[str]:
    found = set()
    for name, request in REQUESTS.items():
        try:
            await handler(request, RequestContext())
        except Overloaded:
            continue
        found.add(name)
    return found


@pytest.mark.parametrize(
    ("lag", "expected"),
    [
        (0.0, {"critical", "default", "sheddable"}),
        (0.049, {"critical", "default", "sheddable"}),
        (0.05, {"critical", "default"}),
        (0.1, {"critical"}),
        (0.199, {"critical"}),
        (0.2, set()),
    ],
)
async def test_the_later_the_loop_the_higher_the_classes_that_are_refused(lag: float, expected: set[str]) -> None:
    shedding = LoadSheddingMiddleware(BulkheadMiddleware(9), 0.1, priority_of=PRIORITY, lag=Late(lag))
    assert await admitted(chain([shedding], service)) == expected
    assert shedding.refusals == {(PRIORITIES[name], "lag"): 1 for name in PRIORITIES if name not in expected}


async def test_who_is_not_refused_needs_a_place() -> None:
    shedding = LoadSheddingMiddleware(BulkheadMiddleware(1), lag=Late())
    gate = asyncio.Event()

    async def waits(request: Request, context: RequestContext) -> Response:
        await gate.wait()
        return Response()

    async def call() -> Response:
        return await shedding(REQUESTS["default"], RequestContext(), waits)

    first = asyncio.create_task(call())
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await call()
    gate.set()
    assert (await first).status == 200
    assert (shedding.refusals, shedding.bulkhead.refusals) == ({}, {(Priority.DEFAULT, "full"): 1})


async def test_a_refusal_is_raised_where_it_is_awaited() -> None:
    shedding = LoadSheddingMiddleware(BulkheadMiddleware(1), lag=Late(1))
    answer = shedding(REQUESTS["default"], RequestContext(), service)
    with pytest.raises(Overloaded):
        await answer


async def test_it_is_logged_when_it_begins_and_each_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    shedding = LoadSheddingMiddleware(BulkheadMiddleware(1), lag=Late(0.06), clock=clock)
    with caplog.at_level(logging.WARNING, "api_gateway.load_shedding"):
        for _ in range(21):
            with pytest.raises(Overloaded):
                await shedding(REQUESTS["default"], RequestContext(), service)
            clock.advance(1)
    assert caplog.messages == ["the event loop is 60 ms late: refusing default requests"] * 3


def test_a_lag_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="max_lag must be positive, not 0"):
        LoadSheddingMiddleware(BulkheadMiddleware(1), 0)


# A gateway whose loop spends 0.1 ms on reading a request and 1 ms on serving it: capacity 909/s.


async def reads(request: Request, context: RequestContext, call_next: Handler) -> Response:
    spend(0.0001)
    return await call_next(request, context)


async def serves(request: Request, context: RequestContext) -> Response:
    spend(0.001)
    await asyncio.sleep(0.02)
    return Response()


def answered_within(patience: float, rate: float, *layers: Middleware) -> Counter[str]:
    """Answers a second that come so soon after the request was *sent*, by class; a third of the requests in each."""

    async def main() -> Counter[str]:
        loop, seconds, random = asyncio.get_running_loop(), 3, Random(1)
        handler = chain([reads, *layers], serves)
        in_time: Counter[str] = Counter()

        async def send(sent: float) -> None:
            name = random.choice(sorted(PRIORITIES))
            try:
                await handler(REQUESTS[name], RequestContext())
            except GatewayError:
                return
            if sent >= 1 and loop.time() - sent <= patience:
                in_time[name] += 1

        async with asyncio.TaskGroup() as group:
            for time in arrivals(Steady(rate), seconds, Random(2)):
                if time > loop.time():  # a loop that is late finds all that has come meanwhile at once
                    await asyncio.sleep(time - loop.time())
                group.create_task(send(time))
        return Counter({name: round(count / (seconds - 1)) for name, count in in_time.items()})

    return run(main)


def shedder() -> LoadSheddingMiddleware:
    return LoadSheddingMiddleware(BulkheadMiddleware(10_000), priority_of=PRIORITY)


def test_a_gateway_that_keeps_up_refuses_nobody() -> None:
    assert answered_within(0.1, 700, shedder()) == answered_within(0.1, 700)


def test_at_twice_its_load_a_gateway_answers_nobody_in_time_unless_it_sheds() -> None:
    assert answered_within(0.3, 2000) == {}
    shed = answered_within(0.3, 2000, shedder())
    assert shed.total() > 0.8 * 909
    assert shed["critical"] > 2 * shed["default"] > 4 * shed["sheddable"]


def test_at_five_times_its_load_what_is_left_after_refusing_is_still_served() -> None:
    shed = answered_within(0.35, 5000, shedder())
    left = (1 - 5000 * 0.0001) / 0.001  # a second
    assert shed.total() > 0.9 * left
    assert shed["critical"] > 0.6 * shed.total()
