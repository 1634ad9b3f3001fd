"""BackendService: who is asked, what is counted, and that every count comes back to zero."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import nullcontext
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.backend.backend_service import BackendService
from api_gateway.backend.consistent_hash_load_balancer import ConsistentHashLoadBalancer
from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.health_check import HealthCheck
from api_gateway.backend.load_balancer import LoadBalancer, Outcome
from api_gateway.backend.outlier_detection import OutlierDetection
from api_gateway.backend.round_robin_load_balancer import RoundRobinLoadBalancer
from api_gateway.backend.slow_start import SlowStart
from api_gateway.core.api_gateway import ApiGateway
from api_gateway.core.clock import NANOSECONDS, ManualClock
from api_gateway.core.errors import BadRequest, CircuitOpen, GatewayError, NoHealthyEndpoint
from api_gateway.core.middleware import Handler, Middleware
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import ConnectFailed, UpstreamError, UpstreamTimeout
from api_gateway.routing.route import Route
from api_gateway.routing.router import Router
from api_gateway.simulation import Experiment, FakeService, Fault, Steady, VirtualClock, open_loop, run
from api_gateway.transport.in_process import InProcessTransport

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


@settings(max_examples=100)
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


# Health.


def observed(answer: Answer, count: int = 3, clock: ManualClock | None = None) -> BackendService:
    members = [Endpoint(f"http://e{i}") for i in range(count)]
    detection = OutlierDetection(consecutive_errors=2, ejection_time=10.0)
    return BackendService(
        "orders", members, FakeTransport(answer), clock=clock or ManualClock(), outlier_detection=detection
    )


async def asked_for(backend: BackendService, count: int, ending: str = "read") -> list[str]:
    """Who was asked by so many requests in a row, whatever came of them."""
    seen: list[str] = []
    for _ in range(count):
        context = RequestContext()
        try:
            response = await backend(REQUEST, context)
            if ending == "half":
                await anext(response.stream())
            elif ending == "read":
                await response.read()
            await response.close()
        except (GatewayError, ZeroDivisionError):
            pass
        seen.append(context.endpoint.removeprefix("http://"))
    return seen


def only_e0(bad: Answer, otherwise: Answer = whole) -> Answer:
    return lambda url: (bad if url == "http://e0" else otherwise)(url)


async def answers_500(url: str) -> Response:
    return Response(500)


async def streams_500(url: str) -> Response:
    return Response(500, {}, chunks(b"a", b"b"))


async def refuses_the_request(url: str) -> Response:
    raise BadRequest("The Content-Length is not a number.")


@pytest.mark.parametrize("bad", [refused, answers_500, streams_500, broken_off])
async def test_an_endpoint_that_answers_badly_is_passed_over_and_comes_back(bad: Answer) -> None:
    clock = ManualClock()
    backend = observed(only_e0(bad), clock=clock)
    assert await asked_for(backend, 4) == ["e0", "e1", "e2", "e0"]
    assert await asked_for(backend, 4) == ["e2", "e1", "e2", "e1"]
    assert backend.health_of(backend.endpoints[0]).state == "ejected"
    clock.advance(10)
    assert set(await asked_for(backend, 3)) == {"e0", "e1", "e2"}


@pytest.mark.parametrize(
    ("answer", "ending"),
    [
        (whole, "read"),
        (streamed, "read"),
        (streamed, "close"),
        (streamed, "half"),
        (broken_off, "close"),
        (defect, "read"),
        (refuses_the_request, "read"),
    ],
)
async def test_what_is_not_the_endpoints_fault_does_not_count_against_it(answer: Answer, ending: str) -> None:
    backend = observed(answer)
    await asked_for(backend, 60, ending)
    assert (backend.health.ejected, in_flight(backend)) == (0, [0, 0, 0])


async def test_refusals_before_an_endpoint_is_asked_count_against_none() -> None:
    """Envoy 25487: an open circuit ejected innocent hosts."""

    async def refuse(request: Request, context: RequestContext, call_next: Handler) -> Response:
        raise CircuitOpen

    members = [Endpoint("http://a"), Endpoint("http://b")]
    backend = BackendService(
        "orders", members, FakeTransport(whole), middleware=[refuse], outlier_detection=OutlierDetection(1)
    )
    for _ in range(20):
        with pytest.raises(CircuitOpen):
            await backend(REQUEST, RequestContext())
    assert backend.health.ejected == 0


@pytest.mark.parametrize(("deadline", "ejected"), [(None, 0), (10_000_000_000, 0), (250_000_000, 1), (251_000_000, 1)])
async def test_whoever_lets_the_deadline_pass_has_failed_but_not_whoever_is_left_earlier(
    deadline: int | None, ejected: int
) -> None:
    clock = ManualClock()

    async def left(url: str) -> Response:
        clock.advance(0.25)
        raise asyncio.CancelledError

    backend = observed(left, clock=clock)
    for _ in range(6):
        context = RequestContext(clock.monotonic())
        context.deadline = None if deadline is None else clock.monotonic() + deadline
        with pytest.raises(asyncio.CancelledError):
            await backend(REQUEST, context)
    assert backend.health.ejected == ejected


@pytest.mark.parametrize("balancer", [RoundRobinLoadBalancer(), ConsistentHashLoadBalancer()])
async def test_a_second_attempt_with_one_context_goes_elsewhere(balancer: LoadBalancer) -> None:
    members = [Endpoint(f"http://e{i}") for i in range(3)]
    backend = BackendService("orders", members, FakeTransport(whole), balancer)
    for _ in range(10):
        context = RequestContext()
        asked = []
        for _ in range(3):
            await backend(REQUEST, context)
            asked.append(context.endpoint)
            context.tried = (*context.tried, context.endpoint)
        assert len(set(asked)) == 3


async def test_without_panic_a_service_whose_endpoints_are_all_unhealthy_refuses() -> None:
    backend = BackendService("orders", [Endpoint("http://a")], FakeTransport(whole), panic_threshold=0)
    backend.health.take_out(backend.endpoints[0], "check", "dead")
    context = RequestContext()
    with pytest.raises(NoHealthyEndpoint, match="none of its 1 endpoints is healthy"):
        await backend(REQUEST, context)
    assert context.attempts == 0
    backend.health.bring_back(backend.endpoints[0], "check", 0)
    assert (await backend(REQUEST, context)).status == 200


async def test_other_endpoints_can_be_assigned_at_any_time() -> None:
    backend = service(whole, 2)
    backend.endpoints = [backend.endpoints[1], Endpoint("http://new")]
    assert set(await asked_for(backend, 4)) == {"e1", "new"}
    backend.endpoints = ()
    with pytest.raises(NoHealthyEndpoint):
        await backend(REQUEST, RequestContext())
    backend.endpoints = [Endpoint("http://late")]
    assert await asked_for(backend, 1) == ["late"]


# In the laboratory.


def laboratory(
    seconds: float,
    faults: dict[int, list[Fault]],
    count: int = 4,
    *,
    health_check: HealthCheck | None = None,
    outlier_detection: OutlierDetection | None = None,
    slow_start: SlowStart | None = None,
) -> Experiment:
    """200 requests a second to endpoints of 1 ms."""

    async def main() -> Experiment:
        clock = VirtualClock()
        fakes = {
            f"in-process://s/{number}": FakeService(
                0.001, workers=50, faults=faults.get(number, []), random=Random(number)
            )
            for number in range(count)
        }
        backend = BackendService(
            "s",
            [Endpoint(url) for url in fakes],
            InProcessTransport(fakes),
            clock=clock,
            random=Random(7),
            health_check=health_check,
            outlier_detection=outlier_detection,
            slow_start=slow_start,
        )
        gateway = ApiGateway(Router([Route("/*", "s")]), {"s": backend}, clock=clock)
        experiment = Experiment(gateway)
        async with gateway:
            await open_loop(Steady(200), seconds, experiment.send, Random(1))
        assert in_flight(backend) == [0] * count
        return experiment

    return run(main)


def failures_between(experiment: Experiment, begin: float, end: float) -> int:
    return sum(begin <= outcome.sent < end and outcome.status != 200 for outcome in experiment.outcomes)


def share_of_first(experiment: Experiment, begin: float, end: float) -> float:
    asked = [outcome.endpoint for outcome in experiment.outcomes if begin <= outcome.sent < end]
    return asked.count("in-process://s/0") / len(asked)


def test_a_dead_endpoint_costs_requests_only_until_its_checks_fail_and_gets_its_share_back_after() -> None:
    check = HealthCheck("/health", interval=2.0, timeout=1.0)
    experiment = laboratory(60, {0: [Fault("refuse", 10.5, 30.5)]}, health_check=check)
    assert failures_between(experiment, 0, 10.5) == 0
    assert failures_between(experiment, 10.5, 15.5) > 50
    assert failures_between(experiment, 15.5, 60) == 0
    assert share_of_first(experiment, 16, 30) == 0
    assert share_of_first(experiment, 37, 60) == pytest.approx(0.25, abs=0.01)


def test_outlier_detection_finds_a_dead_endpoint_after_its_first_errors() -> None:
    detection = OutlierDetection(consecutive_errors=5, ejection_time=10.0)
    experiment = laboratory(60, {0: [Fault("refuse", 10, 25)]}, outlier_detection=detection)
    assert failures_between(experiment, 10, 20) == 5
    assert failures_between(experiment, 20, 60) == 5, "asked once more after ten seconds, then left for twenty"
    assert share_of_first(experiment, 41, 60) == pytest.approx(0.25, abs=0.01)


def test_a_returning_endpoint_gets_its_share_little_by_little() -> None:
    check = HealthCheck("/health", interval=1.0, timeout=1.0, jitter=0.0)
    slow = SlowStart(40.0)
    experiment = laboratory(80, {0: [Fault("refuse", 5, 18.5)]}, health_check=check, slow_start=slow)
    back = 20.0  # two checks passed
    for begin, end in ((0, 4), (10, 14), (20, 24), (36, 40), (40, 60)):
        cold = slow.share((begin + end) * NANOSECONDS // 2)
        assert share_of_first(experiment, back + begin, back + end) == pytest.approx(cold / (3 + cold), abs=0.02)


async def test_closing_a_service_closes_its_transport() -> None:
    transport = FakeTransport(whole)
    await BackendService("orders", [], transport).close()
    assert transport.closed == 1


def test_a_repr_names_the_service() -> None:
    assert repr(service(whole, 2)) == "<BackendService orders with 2 endpoints>"
