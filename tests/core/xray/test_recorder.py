"""The recorder: who was called by whom, what each found out, and that nothing else changes by being watched."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway import ApiGateway, Handler, Middleware, Request, RequestContext, Response, Route, Router, build_gateway
from api_gateway.core.xray.facts import Facts
from api_gateway.core.xray.recorder import Recorder
from api_gateway.core.xray.step import Step
from api_gateway.core.xray.xray import XRay
from api_gateway.simulation import VirtualClock, run

MILLISECOND = 1_000_000


async def answers(request: Request, context: RequestContext) -> Response:
    await asyncio.sleep(0.010)
    return Response.json({"path": request.path})


def names(xray: XRay) -> list[str]:
    return [step.name for step in xray.steps]


async def adds_a_header(request: Request, context: RequestContext, call_next: Handler) -> Response:
    return await call_next(request.with_headers(request.headers.setting("x-added", "1")), context)


def by_hand(service: Handler = answers, *, layers: Sequence[Middleware] = ()) -> ApiGateway:
    return ApiGateway(
        Router([Route("/users/*", "users"), Route("/orders", "users")]),
        {"users": service},
        layers,
        clock=VirtualClock(),
    )


# Who was called.


def test_every_layer_is_a_step_inside_the_one_that_called_it() -> None:
    async def main() -> XRay:
        async with by_hand(layers=(adds_a_header,)) as gateway:
            return await gateway.explain(Request("GET", "/users/1"))

    xray = run(main)
    assert names(xray) == ["error boundary", "canonical request", "adds a header", "router", "answers"]
    assert [depth for depth, _ in xray.first.walk()] == [0, 1, 2, 3, 4]
    assert xray.step("answers").outcome == "answered 200"
    assert xray.step("router").outcome == "passed on, 200 came back"


def test_a_retry_has_a_step_for_each_try_and_a_breaker_sees_each() -> None:
    statuses = iter([503, 503, 200])

    async def flaky(request: Request, context: RequestContext) -> Response:
        return Response(next(statuses))

    async def main() -> XRay:
        config = {
            "services": {"users": {"retry": {"attempts": 3, "backoff": "20ms"}, "circuit_breaker": {}}},
            "routes": [{"path": "/*", "service": "users"}],
        }
        async with build_gateway(
            config, {"users": [flaky, flaky]}, random=random.Random(1), clock=VirtualClock()
        ) as gateway:
            return await gateway.explain(Request("GET", "/"))

    xray = run(main)
    retry = xray.step("retry")
    assert retry.outcome == "passed on 3 times, 200 came back"
    assert [step.name for step in retry.inner] == ["circuit breaking"] * 3
    endpoints = [step.found["endpoint"] for step in xray.steps if step.name == "backend service users"]
    assert endpoints == ["in-process://users/0", "in-process://users/1", "in-process://users/0"]


def test_a_hedge_has_both_calls_inside_although_the_second_runs_in_a_task_of_its_own() -> None:
    delays = iter([1.0, 0.010])

    async def slow_then_fast(request: Request, context: RequestContext) -> Response:
        await asyncio.sleep(next(delays))
        return Response()

    async def main() -> XRay:
        config = {
            "services": {"users": {"hedge": {"after": "50ms", "max_extra": 1.0}}},
            "routes": [{"path": "/*", "service": "users"}],
        }
        async with build_gateway(config, {"users": [slow_then_fast, slow_then_fast]}, clock=VirtualClock()) as gateway:
            return await gateway.explain(Request("GET", "/"))

    first, second = run(main).step("hedge").inner
    assert (first.outcome, second.outcome) == ("passed on, CancelledError came back", "passed on, 200 came back")
    assert second.began - first.began == 50 * MILLISECOND
    assert first.began + first.duration == second.began + second.duration  # the winner ends the race


def test_the_parts_of_an_aggregate_are_its_inner_steps_with_all_that_stands_around_their_services() -> None:
    async def order(request: Request, context: RequestContext) -> Response:
        return Response.json({"user": 7})

    async def main() -> XRay:
        config = {
            "services": {"orders": {"retry": {"attempts": 2}}},
            "routes": [
                {
                    "path": "/details/{id}",
                    "name": "details",
                    "aggregate": {
                        "order": {"service": "orders", "path": "/orders/{id}"},
                        "customer": {"service": "users", "path": "/users/{order.user}"},
                    },
                }
            ],
        }
        async with build_gateway(config, {"orders": order, "users": answers}, clock=VirtualClock()) as gateway:
            return await gateway.explain(Request("GET", "/details/3"))

    xray = run(main)
    (aggregate,) = [step for step in xray.steps if step.name == "aggregator details"]
    assert [step.name for step in aggregate.inner] == ["retry", "remaining deadline"]
    customer = aggregate.inner[1]
    assert customer.duration == customer.inner[0].duration == 10 * MILLISECOND
    assert xray.response.status == 200


def test_layers_of_a_route_are_watched_too() -> None:
    async def main() -> XRay:
        route = Route("/users/*", "users", middleware=[adds_a_header], strip_prefix=True)
        gateway = ApiGateway(Router([route]), {"users": answers})
        return await gateway.explain(Request("GET", "/users/1"))

    xray = run(main)
    assert names(xray)[-3:] == ["router", "adds a header", "answers"]
    assert xray.step("adds a header").request == {"target": "/users/1 -> /1", "headers added": ["x-added: 1"]}


# What it knows.


def test_what_a_layer_found_out_and_changed_is_its_own_and_no_others() -> None:
    async def finds(request: Request, context: RequestContext, call_next: Handler) -> Response:
        context.request_id = "abc"
        response = await call_next(request, context)
        context.flag = "XX"
        response.headers = response.headers.setting("x-after", "2")
        return response

    async def main() -> XRay:
        async with by_hand(layers=(adds_a_header, finds)) as gateway:
            return await gateway.explain(Request("GET", "/users/1"))

    xray = run(main)
    assert xray.step("finds").found == {"request_id": "abc", "flag": "XX"}
    assert xray.step("finds").response == {"headers added": ["x-after: 2"]}
    assert xray.step("finds").request == {}
    assert xray.step("adds a header").request == {"headers added": ["x-added: 1"]}
    assert xray.step("adds a header").found == xray.step("adds a header").response == {}


def test_the_state_is_asked_before_and_after_and_the_difference_kept() -> None:
    class Counting:
        def __init__(self) -> None:
            self.calls = 0

        def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Awaitable[Response]:
            self.calls += 1
            return call_next(request, context)

        async def state_for(self, request: Request, context: RequestContext) -> Facts:
            return {"calls": self.calls, "limit": 3}

    async def main() -> XRay:
        async with by_hand(layers=(Counting(),)) as gateway:
            await (await gateway.handle(Request("GET", "/users/1"))).close()
            return await gateway.explain(Request("GET", "/users/1"))

    step = run(main).step("counting")
    assert (step.before, step.after) == ({"calls": 1, "limit": 3}, {"calls": 2})


@pytest.mark.parametrize(
    ("target", "winner", "rejected"),
    [
        ("/users/1", "/users/*", {"/orders": "segment 1 is 'users', not 'orders'"}),
        (
            "/nowhere",
            None,
            {"/users/*": "segment 1 is 'nowhere', not 'users'", "/orders": "segment 1 is 'nowhere', not 'orders'"},
        ),
    ],
    ids=["found", "not found"],
)
def test_the_router_tells_who_won_and_why_the_others_did_not(
    target: str, winner: str | None, rejected: Mapping[str, str]
) -> None:
    async def main() -> XRay:
        async with by_hand() as gateway:
            return await gateway.explain(Request("GET", target))

    assert run(main).step("router").before == {"winner": winner, "rejected": rejected}


def test_a_refusal_is_told_where_it_was_raised_and_where_it_became_an_answer() -> None:
    async def main() -> XRay:
        async with by_hand() as gateway:
            return await gateway.explain(Request("GET", "/nowhere"))

    xray = run(main)
    assert xray.step("router").outcome == "raised NotFound (404): No route matches /nowhere."
    assert xray.step("canonical request").outcome == "passed on, NotFound came back"
    assert xray.step("error boundary").outcome == "passed on, made 404 of NotFound"
    assert [step.passed_back for step in xray.steps] == [False, True, False]
    assert [step.status for step in xray.steps] == [404, None, None]
    assert xray.response.status == 404


def test_a_defect_is_told_as_one() -> None:
    async def broken(request: Request, context: RequestContext) -> Response:
        raise ZeroDivisionError("by zero")

    async def main() -> XRay:
        async with by_hand(broken) as gateway:
            return await gateway.explain(Request("GET", "/users/1"))

    xray = run(main)
    assert xray.step("broken").outcome == "raised ZeroDivisionError: by zero"
    assert xray.response.status == 500


def test_no_credential_is_shown_whatever_header_it_came_in() -> None:
    key = "sk-very-secret-0123456789"

    async def main() -> XRay:
        async def withholds(request: Request, context: RequestContext, call_next: Handler) -> Response:
            context.withheld = frozenset({b"x-my-key"})
            return await call_next(request, context)

        services = {"users": {"retry": {"attempts": 2}}}
        config = {"services": services, "middleware": ["withholds"], "routes": [{"path": "/*", "service": "users"}]}
        factories = {"withholds": lambda _options, _tools: withholds}
        async with build_gateway(config, {"users": answers}, middleware=factories) as gateway:
            headers = {"x-my-key": key, "authorization": f"Bearer {key}", "cookie": f"a={key}"}
            return await gateway.explain(Request("GET", "/", headers))

    xray = run(main)
    assert key not in str(xray)
    assert key not in repr(xray.as_data())
    assert xray.step("router").request == {"headers removed": ["x-my-key: ..."]}


# Time.


def test_times_are_those_of_the_clock_and_the_watching_is_not_counted() -> None:
    class SlowToExplain:
        def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Awaitable[Response]:
            return call_next(request, context)

        async def state_for(self, request: Request, context: RequestContext) -> Facts:
            await asyncio.sleep(5)
            return {}

    async def main() -> XRay:
        async with by_hand(layers=(SlowToExplain(), SlowToExplain())) as gateway:
            return await gateway.explain(Request("GET", "/users/1"))

    xray = run(main)
    assert {step.duration for step in xray.steps} == {10 * MILLISECOND}
    assert {step.began for step in xray.steps} == {0}
    assert [step.own for step in xray.steps] == [0] * 5 + [10 * MILLISECOND]


@dataclass(frozen=True)
class Work:
    """Milliseconds of one's own, then the inner ones, one after the other."""

    own: int
    inner: tuple[Work, ...]


works: st.SearchStrategy[Work] = st.recursive(
    st.builds(Work, st.integers(0, 50), st.just(())),
    lambda inner: st.builds(Work, st.integers(0, 50), st.lists(inner, max_size=3).map(tuple)),
    max_leaves=12,
)


@given(works)
def test_own_times_add_up_to_the_whole_where_one_thing_happens_at_a_time(work: Work) -> None:
    def handler_of(work: Work, recorder: Recorder) -> Handler:
        inner = [recorder.step(Work, handler_of(each, recorder)) for each in work.inner]

        async def handle(request: Request, context: RequestContext) -> Response:
            await asyncio.sleep(work.own / 1000)
            for each in inner:
                await each(request, context)
            return Response()

        return handle

    def total(work: Work) -> int:
        return work.own + sum(total(each) for each in work.inner)

    async def main() -> Step:
        recorder = Recorder(VirtualClock())
        handler = recorder.step(Work, handler_of(work, recorder))
        return (await recorder.record(handler, Request("GET", "/"), RequestContext())).first

    first = run(main)
    assert first.own == work.own * MILLISECOND
    assert sum(step.own for _, step in first.walk()) == first.duration == total(work) * MILLISECOND


# That nothing else changes.


@given(st.lists(st.sampled_from(["/users/1", "/orders", "/nowhere"]), max_size=12), st.integers(0, 2**16))
@settings(max_examples=25)
def test_an_explained_request_is_answered_as_any_other_and_leaves_the_same_state(targets: list[str], seed: int) -> None:
    """Two equal gateways, one asked by `handle`, one by `explain`: the same answers, all the way."""

    async def answered(explained: bool) -> list[tuple[int, str, bytes]]:
        draws = random.Random(seed)

        async def flaky(request: Request, context: RequestContext) -> Response:
            await asyncio.sleep(draws.random() / 10)
            return Response(503 if draws.random() < 0.5 else 200, {"x-path": request.path})

        config = {
            "services": {"users": {"retry": {"attempts": 2}, "circuit_breaker": {"window": 4, "min_calls": 3}}},
            "middleware": ["request_id", {"rate_limit": {"rate": "5/s", "burst": 5}}, {"deadline": "80ms"}],
            "routes": [{"path": "/users/*", "service": "users"}, {"path": "/orders", "service": "users"}],
        }
        found = []
        async with build_gateway(
            config, {"users": [flaky, flaky]}, random=random.Random(seed), clock=VirtualClock()
        ) as gateway:
            for target in targets:
                context = RequestContext(gateway.clock.monotonic(), "10.0.0.1")
                request = Request("GET", target)
                if explained:
                    response = (await gateway.explain(request, context)).response
                else:
                    response = await gateway.handle(request, context)
                found.append((response.status, repr(response.headers), await response.read()))
        return found

    assert run(answered, True) == run(answered, False)


def test_a_request_beside_an_explained_one_is_no_part_of_it() -> None:
    async def main() -> XRay:
        async with by_hand() as gateway:

            async def other() -> None:
                await (await gateway.handle(Request("GET", "/orders"))).close()

            other_task = asyncio.create_task(other())
            xray = await gateway.explain(Request("GET", "/users/1"))
            await other_task
            return xray

    assert names(run(main)).count("answers") == 1


def test_two_explained_requests_at_once_keep_their_steps_apart() -> None:
    async def main() -> list[XRay]:
        async with by_hand() as gateway:
            requests = [Request("GET", target) for target in ("/users/1", "/nowhere")]
            return await asyncio.gather(*(gateway.explain(request) for request in requests))

    found, missing = run(main)
    assert names(found)[-1] == "answers"
    assert names(missing)[-1] == "router"


def test_a_task_that_outlives_the_request_adds_nothing_and_works() -> None:
    late: list[int] = []

    async def refreshes(request: Request, context: RequestContext, call_next: Handler) -> Response:
        async def later() -> None:
            await asyncio.sleep(1)
            late.append((await call_next(request, context)).status)

        tasks.append(asyncio.create_task(later()))
        return await call_next(request, context)

    tasks: list[asyncio.Task[None]] = []

    async def main() -> XRay:
        async with by_hand(layers=(refreshes,)) as gateway:
            xray = await gateway.explain(Request("GET", "/users/1"))
            await asyncio.gather(*tasks)
            return xray

    xray = run(main)
    assert late == [200]
    assert names(xray).count("answers") == 1


def test_a_cancelled_explanation_ends_the_call() -> None:
    ended: list[bool] = []

    async def endless(request: Request, context: RequestContext) -> Response:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(True)
        return Response()

    async def main() -> None:
        async with by_hand(endless) as gateway:
            task = asyncio.create_task(gateway.explain(Request("GET", "/users/1")))
            await asyncio.sleep(1)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            assert task.cancelled()

    run(main)
    assert ended == [True]


def test_the_response_is_the_callers_to_read_and_streams() -> None:
    async def main() -> bytes:
        async def streams(request: Request, context: RequestContext) -> Response:
            async def body() -> AsyncIterator[bytes]:
                yield b"one "
                yield b"two"

            return Response(body=body())

        async with by_hand(streams) as gateway:
            xray = await gateway.explain(Request("GET", "/users/1"))
            return await xray.response.read()

    assert run(main) == b"one two"


def test_a_router_of_ones_own_that_cannot_be_looked_into_is_one_step() -> None:
    """A router that knew nothing of X-rays could not be explained, and was no router any more to the type checker."""

    class OnlyUsers:
        def bind(self, services: Mapping[str, Handler]) -> Handler:
            return services["users"]

    async def main() -> XRay:
        async with ApiGateway(OnlyUsers(), {"users": answers}, clock=VirtualClock()) as gateway:
            return await gateway.explain(Request("GET", "/users/1"))

    assert names(run(main)) == ["error boundary", "canonical request", "only users", "answers"]
