"""Deadline: late heads are refused, late bodies cut, and nobody else's cancellation is mistaken for ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from api_gateway import ApiGateway, Route, Router
from api_gateway.core.clock import NANOSECONDS, ManualClock, SystemClock
from api_gateway.core.errors import DeadlineExceeded
from api_gateway.core.middleware import Handler, chain
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import UpstreamReset
from api_gateway.middleware.deadline import DeadlineMiddleware

REQUEST = Request("GET", "/")
GENEROUS = 60.0


class Service:
    """Answers, or hangs until cancelled, and says what became of it."""

    def __init__(self) -> None:
        self.hanging = asyncio.Event()
        self.cancelled = False
        self.closed = False
        self.deadlines: list[int | None] = []

    async def prompt(self, request: Request, context: RequestContext) -> Response:
        self.deadlines.append(context.deadline)
        return Response.text("in time")

    async def hangs(self, request: Request, context: RequestContext) -> Response:
        await self.hang()
        raise AssertionError("unreachable")

    async def hangs_in_the_body(self, request: Request, context: RequestContext) -> Response:
        return Response(200, body=self.body())

    async def body(self) -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await self.hang()
        finally:
            self.closed = True

    async def hang(self) -> None:
        try:
            self.hanging.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


def late(seconds: float = 1.0) -> DeadlineMiddleware:
    """A deadline that passed before the request: the first wait of any kind is too long."""
    return DeadlineMiddleware(seconds, ManualClock(round(10 * seconds * NANOSECONDS)))


async def test_an_answer_in_time_passes() -> None:
    response = await DeadlineMiddleware(GENEROUS, ManualClock())(REQUEST, RequestContext(), Service().prompt)
    assert await response.read() == b"in time"


async def test_a_late_head_raises_and_the_service_is_cancelled() -> None:
    service = Service()
    with pytest.raises(DeadlineExceeded):
        await late()(REQUEST, RequestContext(), service.hangs)
    assert service.cancelled


async def test_a_late_head_is_a_504_with_the_flag_dt() -> None:
    gateway = ApiGateway(Router([Route("/*", "s")]), {"s": Service().hangs}, [late()], clock=ManualClock())
    context = RequestContext()
    response = await gateway.handle(REQUEST, context)
    assert (response.status, context.flag) == (504, "DT")


async def test_a_deadline_passes_in_real_time_too() -> None:
    with pytest.raises(DeadlineExceeded):
        await DeadlineMiddleware(0.02)(REQUEST, RequestContext(SystemClock.monotonic()), Service().hangs)


async def test_time_already_spent_counts() -> None:
    started = SystemClock.monotonic() - round((GENEROUS - 0.01) * NANOSECONDS)
    with pytest.raises(DeadlineExceeded):
        await DeadlineMiddleware(GENEROUS)(REQUEST, RequestContext(started), Service().hangs)


async def test_a_late_body_is_cut_after_what_came_in_time_and_closed() -> None:
    service = Service()
    response = await late()(REQUEST, RequestContext(), service.hangs_in_the_body)
    stream = response.stream()
    assert await anext(stream) == b"first"
    with pytest.raises(DeadlineExceeded):
        await anext(stream)
    assert service.closed
    assert not response.complete
    assert isinstance(response.failure, DeadlineExceeded)


async def test_a_body_in_time_passes_whole() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for chunk in (b"a", b"b", b"c"):
            await asyncio.get_running_loop().run_in_executor(None, lambda: None)
            yield chunk

    async def service(request: Request, context: RequestContext) -> Response:
        return Response(200, body=chunks())

    response = await DeadlineMiddleware(GENEROUS, ManualClock())(REQUEST, RequestContext(), service)
    assert await response.read() == b"abc"
    assert response.complete


async def test_a_body_that_nobody_reads_is_closed_with_the_response() -> None:
    service = Service()
    response = await DeadlineMiddleware(GENEROUS, ManualClock())(REQUEST, RequestContext(), service.hangs_in_the_body)
    assert not isinstance(response.body, bytes)
    assert await anext(aiter(response.body)) == b"first"
    await response.close()
    assert service.closed


@pytest.mark.parametrize(("outer", "inner"), [(5.0, 60.0), (60.0, 5.0)])
async def test_of_two_deadlines_the_earlier_holds(outer: float, inner: float) -> None:
    service = Service()
    clock = ManualClock()
    handler = chain([DeadlineMiddleware(outer, clock), DeadlineMiddleware(inner, clock)], service.prompt)
    await handler(REQUEST, RequestContext(started=7))
    assert service.deadlines == [7 + 5 * NANOSECONDS]


@pytest.mark.parametrize("layers", [[1.0, 60.0], [60.0, 1.0]], ids=["outer earlier", "inner earlier"])
async def test_whichever_of_two_deadlines_passes_first_refuses(layers: list[float]) -> None:
    service = Service()
    clock = ManualClock(10 * NANOSECONDS)
    handler = chain([DeadlineMiddleware(seconds, clock) for seconds in layers], service.hangs)
    with pytest.raises(DeadlineExceeded):
        await handler(REQUEST, RequestContext())
    assert service.cancelled


async def test_a_deadline_that_somebody_set_before_is_not_extended() -> None:
    service = Service()
    context = RequestContext()
    context.deadline = 5
    await DeadlineMiddleware(GENEROUS, ManualClock())(REQUEST, context, service.prompt)
    assert service.deadlines == [5]


async def test_a_timeout_error_from_inside_is_not_taken_for_the_deadline() -> None:
    async def service(request: Request, context: RequestContext) -> Response:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await DeadlineMiddleware(GENEROUS, ManualClock())(REQUEST, RequestContext(), service)


async def test_a_timeout_inside_the_deadline_stays_its_own() -> None:
    async def service(request: Request, context: RequestContext) -> Response:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()
        raise AssertionError("unreachable")

    with pytest.raises(TimeoutError):
        await DeadlineMiddleware(GENEROUS, ManualClock())(REQUEST, RequestContext(), service)


async def test_a_client_that_leaves_is_not_taken_for_the_deadline() -> None:
    service = Service()
    work = asyncio.ensure_future(DeadlineMiddleware(GENEROUS, ManualClock())(REQUEST, RequestContext(), service.hangs))
    await service.hanging.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert service.cancelled


async def _translates_cancellation(request: Request, context: RequestContext) -> Response:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise UpstreamReset("cut while cancelling") from None
    raise AssertionError("unreachable")


async def _answers_when_cancelled(request: Request, context: RequestContext) -> Response:
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    return Response.text("all the same")


@pytest.mark.parametrize("service", [Service().hangs, _translates_cancellation, _answers_when_cancelled])
async def test_the_task_is_not_left_half_cancelled_however_the_service_takes_it(service: Handler) -> None:
    task = asyncio.current_task()
    assert task is not None
    with suppress(DeadlineExceeded, UpstreamReset):
        await late()(REQUEST, RequestContext(), service)
    assert task.cancelling() == 0
    async with asyncio.timeout(GENEROUS):
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)


async def test_a_deadline_in_time_leaves_no_timer_that_fires_later() -> None:
    loop = asyncio.get_running_loop()
    await DeadlineMiddleware(0.01, ManualClock())(REQUEST, RequestContext(), Service().prompt)
    later = loop.create_future()
    loop.call_later(0.03, later.set_result, None)
    await later


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_a_deadline_must_be_positive(seconds: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        DeadlineMiddleware(seconds)
