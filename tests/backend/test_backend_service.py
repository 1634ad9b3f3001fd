"""BackendService: who is asked, what is counted, and that every count comes back to zero."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import nullcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.backend.backend_service import BackendService
from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.load_balancer import Outcome
from api_gateway.core.clock import ManualClock
from api_gateway.core.errors import ConnectFailed, NoHealthyEndpoint, UpstreamError, UpstreamTimeout
from api_gateway.core.middleware import Handler, Middleware
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response

REQUEST = Request("GET", "/")
Answer = Callable[[str], Awaitable[Response]]


class FakeTransport:
    """Answers by a function of the endpoint's URL."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.closed = 0

    async def send(self, url: str, request: Request, context: RequestContext) -> Response:
        self.asked.append(url)
        return await self.answer(url)

    async def close(self) -> None:
        self.closed += 1


async def whole(url: str) -> Response:
    return Response.text(url)


async def streamed(url: str) -> Response:
    return Response(200, {}, chunks(b"a", b"b"))


async def broken_off(url: str) -> Response:
    return Response(200, {}, chunks(b"a", failure=UpstreamTimeout("stalled")))


async def refused(url: str) -> Response:
    raise ConnectFailed(f"{url} refused")


async def defect(url: str) -> Response:
    raise ZeroDivisionError


async def chunks(*parts: bytes, failure: Exception | None = None) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if failure is not None:
        raise failure


def service(answer: Answer, count: int = 2, clock: ManualClock | None = None) -> BackendService:
    members = [Endpoint(f"http://e{i}") for i in range(count)]
    return BackendService("orders", members, FakeTransport(answer), clock=clock)


def in_flight(backend: BackendService) -> list[int]:
    return [endpoint.in_flight for endpoint in backend.endpoints]


# Choosing.


async def test_endpoints_are_asked_in_turn_unless_another_balancer_is_given() -> None:
    backend = service(whole, 3)
    answers = [await (await backend(REQUEST, RequestContext())).read() for _ in range(4)]
    assert answers == [b"http://e0", b"http://e1", b"http://e2", b"http://e0"]

    class Last:
        def select(self, endpoints: Sequence[Endpoint], request: Request, context: RequestContext) -> Endpoint:
            return endpoints[-1]

    picky = BackendService("orders", backend.endpoints, FakeTransport(whole), Last())
    assert await (await picky(REQUEST, RequestContext())).read() == b"http://e2"


async def test_without_endpoints_there_is_nobody_to_ask() -> None:
    context = RequestContext()
    with pytest.raises(NoHealthyEndpoint, match="service orders has no endpoint"):
        await service(whole, 0)(REQUEST, context)
    assert context.attempts == 0


async def test_the_context_is_told_who_was_asked_how_often_and_how_long_it_took() -> None:
    clock = ManualClock()

    async def slow(url: str) -> Response:
        clock.advance(0.25)
        return await (refused(url) if url == "http://e1" else whole(url))

    backend = service(slow, clock=clock)
    context = RequestContext()
    await backend(REQUEST, context)
    assert (context.service, context.endpoint, context.attempts) == ("orders", "http://e0", 1)
    assert context.upstream_duration == 250_000_000
    with pytest.raises(ConnectFailed):
        await backend(REQUEST, context)
    assert (context.endpoint, context.attempts, context.upstream_duration) == ("http://e1", 2, 500_000_000)


# Learning.


@pytest.mark.parametrize(
    ("status", "failure", "outcome"),
    [
        (200, None, "answered"),
        (404, None, "answered"),
        (500, None, "failed"),
        (503, None, "failed"),
        (0, ConnectFailed("refused"), "failed"),
        (0, asyncio.CancelledError(), "abandoned"),
        (0, ZeroDivisionError(), "abandoned"),
    ],
)
async def test_a_balancer_that_learns_is_told_how_long_it_took_and_what_came_of_it(
    status: int, failure: BaseException | None, outcome: str
) -> None:
    clock = ManualClock()
    told: list[tuple[str, int, str, int]] = []

    class Learning:
        def select(self, endpoints: Sequence[Endpoint], request: Request, context: RequestContext) -> Endpoint:
            return endpoints[0]

        def learn(self, endpoint: Endpoint, duration: int, outcome: Outcome) -> None:
            told.append((endpoint.url, duration, outcome, endpoint.in_flight))

    async def answer(url: str) -> Response:
        clock.advance(0.25)
        if failure is not None:
            raise failure
        return Response(status)

    backend = BackendService("orders", [Endpoint("http://e0")], FakeTransport(answer), Learning(), clock=clock)
    with pytest.raises(type(failure)) if failure else nullcontext():
        await backend(REQUEST, RequestContext())
    assert told == [("http://e0", 250_000_000, outcome, 0)]


# Counting.


async def test_a_complete_answer_is_over_when_it_is_there() -> None:
    backend = service(whole, 1)
    response = await backend(REQUEST, RequestContext())
    assert in_flight(backend) == [0]
    await response.read()
    await response.close()
    assert (in_flight(backend), backend.endpoints[0].requests) == ([0], 1)


async def test_a_streamed_answer_is_in_flight_until_its_end() -> None:
    backend = service(streamed, 1)
    response = await backend(REQUEST, RequestContext())
    assert in_flight(backend) == [1]
    stream = response.stream()
    assert await anext(stream) == b"a"
    assert in_flight(backend) == [1]
    assert [chunk async for chunk in stream] == [b"b"]
    assert in_flight(backend) == [0]
    await response.close()
    assert in_flight(backend) == [0]


async def test_a_discarded_answer_is_over() -> None:
    backend = service(streamed, 1)
    response = await backend(REQUEST, RequestContext())
    await response.close()
    assert in_flight(backend) == [0]


async def test_an_answer_that_breaks_off_is_over() -> None:
    backend = service(broken_off, 1)
    response = await backend(REQUEST, RequestContext())
    with pytest.raises(UpstreamTimeout):
        await response.read()
    assert in_flight(backend) == [0]


async def test_a_failed_call_is_over_and_counts_as_a_failure() -> None:
    backend = service(refused, 1)
    with pytest.raises(ConnectFailed):
        await backend(REQUEST, RequestContext())
    endpoint = backend.endpoints[0]
    assert (endpoint.in_flight, endpoint.requests, endpoint.failures) == (0, 1, 1)


async def test_a_defect_is_over_but_not_the_endpoints_failure() -> None:
    backend = service(defect, 1)
    with pytest.raises(ZeroDivisionError):
        await backend(REQUEST, RequestContext())
    assert (in_flight(backend), backend.endpoints[0].failures) == ([0], 0)


async def test_a_status_of_500_is_an_answer_and_no_failure() -> None:
    async def sick(url: str) -> Response:
        return Response(500)

    backend = service(sick, 1)
    assert (await backend(REQUEST, RequestContext())).status == 500
    assert backend.endpoints[0].failures == 0


async def test_a_cancelled_call_is_over() -> None:
    asked = asyncio.Event()

    async def silent(url: str) -> Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    backend = service(silent, 1)
    call = asyncio.ensure_future(backend(REQUEST, RequestContext()))
    await asked.wait()
    assert in_flight(backend) == [1]
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (in_flight(backend), backend.endpoints[0].failures) == ([0], 0)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([whole, streamed, broken_off, refused, defect]), st.sampled_from(["read", "close", "half"])
        ),
        max_size=12,
    ),
    st.integers(1, 3),
)
async def test_whatever_happens_to_many_calls_at_once_every_count_returns_to_zero(
    calls: list[tuple[Answer, str]], count: int
) -> None:
    plan = iter([answer for answer, _ in calls])
    backend = service(lambda url: next(plan)(url), count)
    open_responses: list[tuple[Response, str]] = []
    for _, ending in calls:
        try:
            open_responses.append((await backend(REQUEST, RequestContext()), ending))
        except (UpstreamError, ZeroDivisionError):
            continue
    assert sum(in_flight(backend)) == sum(not isinstance(each.body, bytes) for each, _ in open_responses)
    for response, ending in open_responses:
        try:
            if ending == "read":
                await response.read()
            elif ending == "half":
                await anext(response.stream())
        except UpstreamTimeout:
            pass
        await response.close()
    assert in_flight(backend) == [0] * count
    assert sum(endpoint.requests for endpoint in backend.endpoints) == len(calls)


async def test_the_middleware_of_a_service_is_around_every_call_first_one_outermost() -> None:
    seen: list[str] = []

    def layer(name: str) -> Middleware:
        async def called(request: Request, context: RequestContext, call_next: Handler) -> Response:
            seen.append(name)
            return await call_next(request, context)

        return called

    transport = FakeTransport(whole)
    backend = BackendService("orders", [Endpoint("http://a")], transport, middleware=[layer("outer"), layer("inner")])
    await backend(REQUEST, RequestContext())
    await backend.ask(REQUEST, RequestContext())
    assert seen == ["outer", "inner"]
    assert backend.endpoints[0].requests == 2


async def test_closing_a_service_closes_its_transport() -> None:
    transport = FakeTransport(whole)
    await BackendService("orders", [], transport).close()
    assert transport.closed == 1


def test_a_repr_names_the_service() -> None:
    assert repr(service(whole, 2)) == "<BackendService orders with 2 endpoints>"
