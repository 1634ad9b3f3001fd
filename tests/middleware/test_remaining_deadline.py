"""Remaining deadline: each attempt is told what is left now, and nobody outside has a say."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from api_gateway import ApiGateway, Request, RequestContext, Response, Route, Router
from api_gateway.core.canonical_request import EXPECTED_TIMEOUT
from api_gateway.core.clock import NANOSECONDS, ManualClock
from api_gateway.core.errors import DeadlineExceeded
from api_gateway.core.middleware import chain
from api_gateway.core.upstream_errors import ConnectFailed
from api_gateway.middleware.hedge import HedgeMiddleware
from api_gateway.middleware.remaining_deadline import RemainingDeadlineMiddleware
from api_gateway.middleware.retry import RetryMiddleware
from api_gateway.resilience.backoff import Backoff
from api_gateway.resilience.hedging import Hedging
from api_gateway.simulation import VirtualClock, run
from tests.support.attempts import Scripted

FIELD = EXPECTED_TIMEOUT.decode()
MS = 1_000_000


async def told(headers: dict[str, str], deadline: int | None, now: int = 0) -> list[str]:
    service, context = Scripted(200), RequestContext()
    context.deadline = deadline
    request = Request("GET", "/", {"accept": "*/*", **headers})
    response = await RemainingDeadlineMiddleware(ManualClock(now))(request, context, service)
    await response.close()
    assert service.requests[0].headers.get_all("accept") == ["*/*"]
    assert request.headers.get(FIELD) == headers.get(FIELD)
    return service.requests[0].headers.get_all(FIELD)


@pytest.mark.parametrize(
    ("deadline", "milliseconds"),
    [(1840 * MS, "1840"), (1840 * MS - 1, "1839"), (MS, "1"), (MS - 1, "1"), (1, "1"), (3600 * NANOSECONDS, "3600000")],
)
async def test_the_service_is_told_what_is_left(deadline: int, milliseconds: str) -> None:
    assert await told({}, deadline + 5, now=5) == [milliseconds]


async def test_without_a_deadline_nothing_is_said() -> None:
    assert await told({}, None) == []


@pytest.mark.parametrize("deadline", [None, 2 * MS])
async def test_what_a_client_says_never_passes(deadline: int | None) -> None:
    service, context = Scripted(200), RequestContext()
    context.deadline = deadline
    layers = [RemainingDeadlineMiddleware(ManualClock())]
    gateway = ApiGateway(Router([Route("/*", "service")]), {"service": service}, layers)
    response = await gateway.handle(Request("GET", "/", {FIELD: "999999"}), context)
    await response.close()
    assert service.requests[0].headers.get_all(FIELD) == ([] if deadline is None else ["2"])


@pytest.mark.parametrize("now", [10, 11])
async def test_after_the_deadline_the_service_is_not_asked(now: int) -> None:
    service, context = Scripted(200), RequestContext()
    context.deadline = 10
    with pytest.raises(DeadlineExceeded):
        await RemainingDeadlineMiddleware(ManualClock(now))(Request("GET", "/"), context, service)
    assert service.calls == 0


def test_each_attempt_is_told_what_is_left_then() -> None:
    async def main() -> None:
        clock = VirtualClock()
        service = Scripted(ConnectFailed(), 200, takes=(0.1, 10.0, 0.01))
        retry = RetryMiddleware(2, Backoff(300 * MS, 300 * MS, Random(1), "none"), None, clock=clock)
        hedge = HedgeMiddleware(Hedging(150 * MS, 1.0), clock)
        context = RequestContext()
        context.deadline = NANOSECONDS

        async def ask(request: Request, context: RequestContext) -> Response:
            return await service(request, context)

        handler = chain([retry, hedge, RemainingDeadlineMiddleware(clock)], ask)
        await (await handler(Request("GET", "/"), context)).close()
        left = [int(request.headers.get_all(FIELD)[0]) for request in service.requests]
        assert left == [pytest.approx(1000, abs=1), pytest.approx(600, abs=1), pytest.approx(450, abs=1)]
        assert len(asyncio.all_tasks()) == 1

    run(main)
