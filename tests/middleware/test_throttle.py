"""Throttle: what counts as accepted, what it does for an overloaded service, and with a breaker behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from random import Random

import pytest

from api_gateway import ApiGateway, BackendService, Endpoint, Handler, Request, RequestContext, Response, Route, Router
from api_gateway.core.clock import NANOSECONDS, Clock, ManualClock
from api_gateway.core.errors import CircuitOpen, ClientDisconnected, NoHealthyEndpoint, Overloaded
from api_gateway.core.middleware import Middleware
from api_gateway.core.upstream_errors import ConnectFailed, UpstreamTimeout
from api_gateway.middleware.circuit_breaking import CircuitBreakingMiddleware
from api_gateway.middleware.deadline import DeadlineMiddleware
from api_gateway.middleware.throttle import ThrottleMiddleware
from api_gateway.resilience.adaptive_throttle import AdaptiveThrottle
from api_gateway.resilience.circuit_breaker import CircuitBreaker
from api_gateway.resilience.outcome_window import CountWindow
from api_gateway.simulation import Experiment, FakeService, Fault, Steady, VirtualClock, open_loop, run
from api_gateway.transport.in_process import InProcessTransport

GET = Request("GET", "/")
URL = "in-process://users/0"

# With k = 1 a request that was not accepted makes (1 - 0) / (1 + 1), an accepted one 0.
NOT_ACCEPTED, ACCEPTED = 0.5, 0.0


def gateway_of(handler: Handler, *layers: Middleware, clock: Clock, outside: Sequence[Middleware] = ()) -> ApiGateway:
    service = BackendService(
        "users", [Endpoint(URL)], InProcessTransport({URL: handler}), middleware=layers, clock=clock
    )
    return ApiGateway(Router([Route("/*", "users")]), {"users": service}, outside, clock=clock)


def answers(status: int) -> Handler:
    async def handle(request: Request, context: RequestContext) -> Response:
        return Response(status)

    return handle


def raises(error: BaseException) -> Handler:
    async def handle(request: Request, context: RequestContext) -> Response:
        raise error

    return handle


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (answers(200), ACCEPTED),
        (answers(404), ACCEPTED),
        (answers(500), ACCEPTED),
        (answers(429), NOT_ACCEPTED),
        (answers(503), NOT_ACCEPTED),
        (raises(ConnectFailed("refused")), NOT_ACCEPTED),
        (raises(UpstreamTimeout("late")), NOT_ACCEPTED),
        (raises(Overloaded()), NOT_ACCEPTED),
    ],
)
async def test_accepted_is_what_the_service_worked_on(handler: Handler, expected: float) -> None:
    throttle = AdaptiveThrottle(1.0)
    middleware = ThrottleMiddleware("users", throttle, clock=ManualClock())
    with suppress(ConnectFailed, UpstreamTimeout, Overloaded):
        await middleware(GET, RequestContext(), handler)
    assert middleware.refusal_probability == expected
    throttle.record(0, accepted=False)  # an accepted request counts as a request: one of two is a third then
    assert middleware.refusal_probability == (1 / 3 if expected == ACCEPTED else 2 / 3)


@pytest.mark.parametrize("error", [CircuitOpen(), NoHealthyEndpoint(), ClientDisconnected(), asyncio.CancelledError()])
async def test_what_the_service_has_not_heard_of_counts_as_nothing(error: BaseException) -> None:
    throttle = AdaptiveThrottle(1.0)
    middleware = ThrottleMiddleware("users", throttle, clock=ManualClock())
    with pytest.raises(type(error)):
        await middleware(GET, RequestContext(), raises(error))
    throttle.record(0, accepted=False)
    assert middleware.refusal_probability == 0.5


def test_a_service_that_hangs_until_the_deadline_has_not_accepted() -> None:
    async def hangs(request: Request, context: RequestContext) -> Response:
        await asyncio.get_running_loop().create_future()
        raise AssertionError("unreachable")

    async def main() -> tuple[int, float]:
        clock = VirtualClock()
        middleware = ThrottleMiddleware("users", AdaptiveThrottle(1.0), random=Random(1), clock=clock)
        gateway = gateway_of(hangs, middleware, clock=clock, outside=[DeadlineMiddleware(1.0, clock)])
        response = await gateway.handle(GET, RequestContext(clock.monotonic()))
        return response.status, middleware.refusal_probability

    assert run(main) == (504, NOT_ACCEPTED)


async def test_a_request_that_is_not_sent_is_a_503_with_the_flag_om() -> None:
    throttle = AdaptiveThrottle()
    for _ in range(10_000):
        throttle.record(0, accepted=False)
    middleware = ThrottleMiddleware("users", throttle, random=Random(1), clock=ManualClock())
    gateway = gateway_of(answers(200), middleware, clock=ManualClock())
    context = RequestContext()
    response = await gateway.handle(GET, context)
    assert (response.status, context.flag, context.attempts, middleware.refused) == (503, "OM", 0, 1)
    assert context.error == "service users refuses too much; this request was not sent to it"


async def _overloaded(k: float, seconds: float) -> tuple[float, float]:
    """What reaches a service of 10 requests/s and a queue of twenty, of 100/s that are asked for, in each second."""
    clock = VirtualClock()
    fake = FakeService(0.1, workers=1, queue=20, random=Random(1))
    middleware = ThrottleMiddleware("users", AdaptiveThrottle(k), random=Random(2), clock=clock)
    experiment = Experiment(gateway_of(fake, middleware, clock=clock))
    await open_loop(Steady(100), 120, experiment.send, Random(3))
    arrived, served = fake.arrived, fake.served
    await open_loop(Steady(100), seconds, experiment.send, Random(4))
    return (fake.arrived - arrived) / seconds, (fake.served - served) / seconds


def test_an_overloaded_service_is_asked_k_times_what_it_accepts() -> None:
    arrived, served = run(_overloaded, 2.0, 200)
    assert arrived == pytest.approx(2.0 * served, rel=0.04)
    assert served > 9


def test_a_breaker_behind_it_that_was_open_leaves_nothing_for_the_throttle_to_refuse() -> None:
    async def main() -> tuple[int, int, int]:
        clock = VirtualClock()
        fake = FakeService(0.001, workers=100, faults=[Fault("refuse", 20, 40)], random=Random(1))
        breaker = CircuitBreaker(
            CountWindow(20), min_calls=10, failure_rate=0.5, open_for=5 * NANOSECONDS, half_open_calls=3
        )
        breaking = CircuitBreakingMiddleware("users", breaker, clock=clock)
        throttle = ThrottleMiddleware("users", AdaptiveThrottle(), random=Random(2), clock=clock)
        experiment = Experiment(gateway_of(fake, throttle, breaking, clock=clock))
        await open_loop(Steady(100), 60, experiment.send, Random(3))
        late = sum(outcome.status != 200 for outcome in experiment.outcomes if outcome.sent > 46)
        return throttle.refused, breaking.refused, late

    refused, by_breaker, late = run(main)
    assert by_breaker > 1900
    assert (refused, late) == (0, 0)
