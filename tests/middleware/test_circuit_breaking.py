"""Circuit breaking around real services in virtual time: what counts, who is refused, and that it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from random import Random
from string import ascii_letters

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway import ApiGateway, BackendService, Endpoint, Handler, Request, RequestContext, Response, Route, Router
from api_gateway.core.clock import NANOSECONDS, SystemClock
from api_gateway.core.errors import (
    CircuitOpen,
    DeadlineExceeded,
    GatewayError,
    InternalError,
    NoHealthyEndpoint,
    Overloaded,
    PayloadTooLarge,
)
from api_gateway.core.middleware import Middleware
from api_gateway.core.upstream_errors import ConnectFailed, UpstreamProtocolError, UpstreamReset, UpstreamTimeout
from api_gateway.middleware.circuit_breaking import CircuitBreakingMiddleware
from api_gateway.middleware.deadline import DeadlineMiddleware
from api_gateway.resilience.circuit_breaker import CircuitBreaker
from api_gateway.resilience.circuit_states import CircuitState
from api_gateway.resilience.outcome_window import CountWindow
from api_gateway.simulation import Experiment, FakeService, Fault, Steady, VirtualClock, open_loop, run
from api_gateway.transport.http1 import Http1Transport
from api_gateway.transport.in_process import InProcessTransport
from api_gateway.transport.transport import Timeouts
from tests.support.misbehaving_origin import misbehaving_origin

GET = Request("GET", "/")
A, B = "in-process://users/a", "in-process://users/b"


class World:
    """A service of one or more Handlers, a breaker around it, and a deadline around that. Made in a running loop."""

    def __init__(
        self,
        *handlers: Handler,
        window: int = 4,
        min_calls: int = 4,
        failure_rate: float = 0.5,
        open_for: float = 30.0,
        half_open_calls: int = 1,
        slow_after: float | None = None,
        deadline: float | None = None,
        failure_statuses: Sequence[int] = range(500, 600),
        inside: Sequence[Middleware] = (),
    ) -> None:
        clock = VirtualClock()
        breaker = CircuitBreaker(
            CountWindow(window),
            min_calls=min_calls,
            failure_rate=failure_rate,
            open_for=round(open_for * NANOSECONDS),
            half_open_calls=half_open_calls,
            slow_after=None if slow_after is None else round(slow_after * NANOSECONDS),
        )
        self.breaking = CircuitBreakingMiddleware("users", breaker, failure_statuses=failure_statuses, clock=clock)
        named = {
            f"in-process://users/{letter}": handler for letter, handler in zip(ascii_letters, handlers, strict=False)
        }
        self.service = BackendService(
            "users",
            [Endpoint(url) for url in named],
            InProcessTransport(named),
            middleware=[self.breaking, *inside],
            clock=clock,
        )
        deadlines = [] if deadline is None else [DeadlineMiddleware(deadline, clock)]
        self.gateway = ApiGateway(Router([Route("/*", "users")]), {"users": self.service}, deadlines, clock=clock)
        self.clock = clock

    async def ask(self) -> int:
        """The status that the client sees; 0 if the body breaks off."""
        response = await self.gateway.handle(GET, RequestContext(self.clock.monotonic()))
        try:
            await response.read()
        except GatewayError:
            return 0
        return response.status

    async def call(self) -> Response:
        """What the service's own chain gives, errors as they are."""
        return await self.service(GET, RequestContext(self.clock.monotonic()))

    @property
    def calls(self) -> tuple[int, int, int]:
        """Calls, failures and slow calls that the next judgement goes by."""
        counts = [sum(column) for column in zip(*self.breaking.evidence.values(), strict=True)] or [0, 0, 0]
        return counts[0], counts[1], counts[2]


def answers(*statuses: int) -> Handler:
    """A Handler that gives these statuses in turn, and then the last one for ever."""
    left = list(statuses)

    async def handle(request: Request, context: RequestContext) -> Response:
        return Response(left.pop(0) if len(left) > 1 else left[0])

    return handle


def raises(error: BaseException) -> Handler:
    async def handle(request: Request, context: RequestContext) -> Response:
        raise error

    return handle


async def hangs(request: Request, context: RequestContext) -> Response:
    await asyncio.get_running_loop().create_future()
    raise AssertionError("unreachable")


def virtual(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """The test in virtual time."""

    async def main() -> None:
        await test()

    def in_virtual_time() -> None:
        run(main)

    in_virtual_time.__name__ = test.__name__
    return in_virtual_time


# What a failure is.


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (answers(200), (1, 0, 0)),
        (answers(404), (1, 0, 0)),
        (answers(429), (1, 0, 0)),
        (answers(500), (1, 1, 0)),
        (answers(599), (1, 1, 0)),
        (raises(ConnectFailed("refused")), (1, 1, 0)),
        (raises(UpstreamReset("cut")), (1, 1, 0)),
        (raises(UpstreamTimeout("late")), (1, 1, 0)),
        (raises(UpstreamProtocolError("not HTTP")), (1, 1, 0)),
        (raises(NoHealthyEndpoint()), (0, 0, 0)),
        (raises(Overloaded()), (0, 0, 0)),
        (raises(CircuitOpen()), (0, 0, 0)),
        (raises(PayloadTooLarge()), (0, 0, 0)),
        (raises(InternalError()), (0, 0, 0)),
        (raises(DeadlineExceeded()), (0, 0, 0)),
        (raises(RuntimeError("a defect")), (0, 0, 0)),
        (raises(asyncio.CancelledError()), (0, 0, 0)),
    ],
)
def test_a_failure_is_the_services_and_nobody_elses(handler: Handler, expected: tuple[int, int, int]) -> None:
    async def main() -> tuple[int, int, int]:
        world = World(handler)
        with suppress(Exception, asyncio.CancelledError):
            await world.call()
        return world.calls

    assert run(main) == expected


@virtual
async def test_which_statuses_are_failures_can_be_chosen() -> None:
    world = World(answers(500, 429, 503), failure_statuses=[429, 503])
    for _ in range(3):
        await world.ask()
    assert world.calls == (3, 2, 0)


@virtual
async def test_a_call_is_slow_by_its_head_and_not_by_its_body() -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(3600):
            await asyncio.sleep(1)
            yield b"tick"

    async def handle(request: Request, context: RequestContext) -> Response:
        await asyncio.sleep(1)
        return Response(200, body=body())

    world = World(handle, slow_after=1.5)
    await world.ask()
    assert world.calls == (1, 0, 0)
    world = World(handle, slow_after=1.0)
    await world.ask()
    assert world.calls == (1, 0, 1)


# The deadline, and clients that leave.


@virtual
async def test_a_service_that_hangs_until_the_deadline_trips_the_breaker() -> None:
    world = World(hangs, deadline=1.0)
    assert [await world.ask() for _ in range(5)] == [504, 504, 504, 504, 503]
    assert world.breaking.opened == 1
    assert f"4 of the last 4 calls failed: 4 of 4 at {A}" in world.breaking.last_opening


@virtual
async def test_a_deadline_between_the_breaker_and_the_service_trips_it_too() -> None:
    clock = VirtualClock()
    world = World(hangs, inside=[DeadlineMiddleware(1.0, clock)])
    assert [await world.ask() for _ in range(5)] == [504, 504, 504, 504, 503]


@virtual
async def test_a_deadline_that_passes_in_a_queue_of_the_gateways_own_is_no_failure() -> None:
    async def queue(request: Request, context: RequestContext, call_next: Handler) -> Response:
        await asyncio.sleep(5)
        return await call_next(request, context)

    world = World(answers(200), deadline=1.0, inside=[queue], slow_after=0.1)
    assert [await world.ask() for _ in range(10)] == [504] * 10
    assert world.breaking.state is CircuitState.CLOSED
    assert world.calls == (0, 0, 0)


@virtual
async def test_clients_that_leave_say_nothing_however_many_they_are() -> None:
    world = World(hangs, deadline=10.0)
    storm = [asyncio.create_task(world.ask()) for _ in range(1000)]
    await asyncio.sleep(5)
    for task in storm:
        task.cancel()
    await asyncio.wait(storm)
    assert world.breaking.state is CircuitState.CLOSED
    assert world.calls == (0, 0, 0)


@virtual
async def test_clients_that_leave_because_it_is_slow_say_that_it_is_slow() -> None:
    world = World(hangs, deadline=10.0, slow_after=2.0)
    storm = [asyncio.create_task(world.ask()) for _ in range(1000)]
    await asyncio.sleep(2)
    for task in storm:
        task.cancel()
    await asyncio.wait(storm)
    assert world.breaking.state is CircuitState.OPEN
    assert world.breaking.last_opening == f"4 of the last 4 calls took 2 s or longer: 4 of 4 at {A}"


# Bodies.


def cut_after(seconds: float) -> Handler:
    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.sleep(seconds)
        raise UpstreamReset("cut")

    async def handle(request: Request, context: RequestContext) -> Response:
        return Response(200, body=body())

    return handle


@virtual
async def test_a_service_whose_answers_all_break_off_trips_it_though_each_head_was_good() -> None:
    world = World(cut_after(1), failure_rate=1.0)
    assert [await world.ask() for _ in range(5)] == [0, 0, 0, 0, 503]
    assert world.breaking.opened == 1


@virtual
async def test_a_body_that_the_client_leaves_or_the_deadline_cuts_is_no_failure() -> None:
    world = World(cut_after(10), deadline=1.0)
    assert await world.ask() == 0  # by the deadline
    response = await world.call()
    await response.close()
    await response.close()
    response = await world.call()
    assert await anext(response.stream()) == b"first"
    await response.close()
    assert world.calls == (3, 0, 0)


@virtual
async def test_a_probe_whose_answer_streams_for_an_hour_is_over_at_its_head() -> None:
    async def body() -> AsyncIterator[bytes]:
        await asyncio.sleep(3600)
        yield b"last"

    broken = True

    async def handle(request: Request, context: RequestContext) -> Response:
        return Response(500) if broken else Response(200, body=body())

    world = World(handle, half_open_calls=2)
    for _ in range(4):
        await world.ask()
    broken = False
    await asyncio.sleep(30)
    streams = [await world.call() for _ in range(10)]
    assert world.breaking.state is CircuitState.CLOSED
    assert [await response.read() for response in streams] == [b"last"] * 10


# Refusals.


@virtual
async def test_a_refusal_is_a_503_that_says_when_the_service_is_asked_again() -> None:
    world = World(answers(500), open_for=2.5)
    for _ in range(4):
        await world.ask()
    context = RequestContext(world.clock.monotonic())
    response = await world.gateway.handle(GET, context)
    assert (response.status, context.flag, response.header("retry-after")) == (503, "UO", "3")
    assert context.error == "service users is left alone: it is asked again in 3 s"
    await asyncio.sleep(2.4999)
    with pytest.raises(CircuitOpen) as refusal:
        await world.call()
    assert refusal.value.headers.get("retry-after") == "1"
    assert (world.breaking.refused, context.attempts) == (2, 0)
    await asyncio.sleep(0.0001)
    assert await world.ask() == 500


@virtual
async def test_while_probes_are_out_the_client_is_told_to_come_back_soon() -> None:
    world = World(answers(500), hangs, half_open_calls=1, failure_rate=0.25, min_calls=1)
    assert await world.ask() == 500
    await asyncio.sleep(30)
    probe = asyncio.create_task(world.call())
    await asyncio.sleep(0)
    with pytest.raises(CircuitOpen, match="is being asked whether it is back") as refusal:
        await world.call()
    assert refusal.value.headers.get("retry-after") == "1"
    probe.cancel()
    await asyncio.wait([probe])


# Half open.


@virtual
async def test_half_open_never_lets_more_through_than_its_permits() -> None:
    broken, asked, most, here = True, 0, 0, 0

    async def handle(request: Request, context: RequestContext) -> Response:
        nonlocal asked, most, here
        if broken:
            return Response(500)
        asked, here = asked + 1, here + 1
        most = max(most, here)
        await asyncio.sleep(1)
        here -= 1
        return Response(200)

    world = World(handle, half_open_calls=3, failure_rate=1.0)
    for _ in range(4):
        await world.ask()
    broken = False
    await asyncio.sleep(30)
    statuses = await asyncio.gather(*(world.ask() for _ in range(200)))
    assert (asked, most, sorted(statuses)) == (3, 3, [200] * 3 + [503] * 197)
    assert world.breaking.state is CircuitState.CLOSED


@virtual
async def test_probes_whose_clients_leave_give_their_permits_back() -> None:
    world = World(answers(500), hangs, failure_rate=0.25, min_calls=1, half_open_calls=2)
    assert await world.ask() == 500
    world.service.endpoints = world.service.endpoints[1:]
    await asyncio.sleep(30)
    for _ in range(50):
        probes = [asyncio.create_task(world.ask()) for _ in range(2)]
        await asyncio.sleep(0.1)
        assert await world.ask() == 503
        assert not any(probe.done() for probe in probes)
        for probe in probes:
            probe.cancel()
        await asyncio.wait(probes)
    assert world.breaking.state is CircuitState.HALF_OPEN
    assert world.breaking.transitions[CircuitState.HALF_OPEN] == 1


@virtual
async def test_probes_that_never_end_are_lost_and_do_not_lock_the_service_out() -> None:
    broken = True
    service: Handler = hangs

    async def handle(request: Request, context: RequestContext) -> Response:
        return Response(500) if broken else await service(request, context)

    world = World(handle, half_open_calls=2)
    for _ in range(4):
        await world.ask()
    broken = False
    await asyncio.sleep(30)
    lost = [asyncio.create_task(world.ask()) for _ in range(2)]
    await asyncio.sleep(59)
    assert await world.ask() == 503
    await asyncio.sleep(1 + 30)
    service = answers(200)
    assert [await world.ask() for _ in range(3)] == [200] * 3
    assert world.breaking.state is CircuitState.CLOSED
    assert "1 of 1 probes failed" in world.breaking.last_opening
    for task in lost:
        task.cancel()
    await asyncio.wait(lost)
    assert (world.breaking.state, world.breaking.opened) == (CircuitState.CLOSED, 2)


@virtual
async def test_answers_to_calls_from_before_the_outage_do_not_close_the_circuit() -> None:
    broken = False

    async def handle(request: Request, context: RequestContext) -> Response:
        if broken:
            return Response(500)
        await asyncio.sleep(31)
        return Response(200)

    world = World(handle, half_open_calls=1)
    early = [asyncio.create_task(world.ask()) for _ in range(10)]
    await asyncio.sleep(0.5)
    broken = True
    for _ in range(4):
        await world.ask()
    assert await asyncio.gather(*early) == [200] * 10
    assert world.breaking.state is CircuitState.HALF_OPEN
    assert await world.ask() == 500
    assert world.breaking.opened == 2


# What it says.


def test_the_log_has_one_line_for_each_transition_and_names_the_endpoints(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        world = World(answers(500, 500, 500, 500, 500, 200), answers(500, 200), window=8, min_calls=8)
        for _ in range(8):
            await world.ask()
        assert world.breaking.opened == 1
        await asyncio.sleep(30)
        for _ in range(2):
            await world.ask()
        await asyncio.sleep(30)
        await world.ask()
        assert world.breaking.state is CircuitState.CLOSED

    with caplog.at_level(logging.INFO, logger="api_gateway.circuit_breaker"):
        run(main)
    why = f"5 of the last 8 calls failed: 4 of 4 at {A}, 1 of 4 at {B}"
    assert [record.getMessage() for record in caplog.records] == [
        f"service users: circuit opened: {why}; it is asked again in 30 s",
        "service users: circuit half open: the open time is over",
        f"service users: circuit opened: 1 of 1 probes failed: 1 of 1 at {A}; it is asked again in 30 s",
        "service users: circuit half open: the open time is over",
        "service users: circuit closed: 0 of 1 probes failed",
    ]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


@virtual
async def test_too_few_calls_open_nothing() -> None:
    world = World(answers(500), window=20, min_calls=10)
    assert [await world.ask() for _ in range(9)] == [500] * 9
    assert world.breaking.state is CircuitState.CLOSED
    await world.ask()
    assert (world.breaking.state, world.breaking.refused) == (CircuitState.OPEN, 0)


@virtual
async def test_one_sick_endpoint_trips_a_pair_and_is_named_but_not_a_crowd() -> None:
    pair = World(answers(500), answers(200), window=20, min_calls=10)
    crowd = World(answers(500), *[answers(200)] * 19, window=20, min_calls=10)
    assert [await pair.ask() for _ in range(10)] == [500, 200] * 5
    assert (await pair.ask(), pair.breaking.last_opening) == (503, f"5 of the last 10 calls failed: 5 of 5 at {A}")
    assert [await crowd.ask() for _ in range(100)].count(500) == 5
    assert crowd.breaking.opened == 0


@virtual
async def test_its_refusals_count_against_no_endpoint() -> None:
    world = World(answers(500), answers(500))
    for _ in range(4):
        await world.ask()
    before = [(endpoint.requests, endpoint.failures) for endpoint in world.service.endpoints]
    assert [await world.ask() for _ in range(100)] == [503] * 100
    assert [(endpoint.requests, endpoint.failures) for endpoint in world.service.endpoints] == before


@virtual
async def test_a_breaker_guards_one_service_only() -> None:
    breaker = CircuitBreaker(CountWindow(1), min_calls=1, failure_rate=1, open_for=1, half_open_calls=1)
    CircuitBreakingMiddleware("a", breaker)
    with pytest.raises(ValueError, match="a breaker guards one service"):
        CircuitBreakingMiddleware("b", breaker)


# Over real sockets.


@pytest.mark.parametrize(
    ("name", "status", "deadline"),
    [
        ("close-in-chunk", 200, 60.0),
        ("stall-in-body", 200, 60.0),
        ("close-before-head", 502, 60.0),
        ("never-answers", 504, 60.0),
        ("never-answers", 504, 0.04),
    ],
)
async def test_what_goes_wrong_on_a_socket_is_a_failure_too(name: str, status: int, deadline: float) -> None:
    breaker = CircuitBreaker(
        CountWindow(3), min_calls=3, failure_rate=1.0, open_for=3600 * NANOSECONDS, half_open_calls=1
    )
    breaking = CircuitBreakingMiddleware("users", breaker)
    statuses = []
    async with misbehaving_origin() as origin:
        transport = Http1Transport(Timeouts(request=0.08, idle=0.08))
        service = BackendService("users", [Endpoint(origin.url)], transport, middleware=[breaking])
        deadlines = [DeadlineMiddleware(deadline)]
        async with ApiGateway(Router([Route("/*", "users")]), {"users": service}, deadlines) as gateway:
            for _ in range(4):
                response = await gateway.handle(Request("GET", f"/{name}"), RequestContext(SystemClock().monotonic()))
                statuses.append(response.status)
                with suppress(GatewayError):
                    await response.read()
        assert statuses == [status] * 3 + [503]
        assert breaking.last_opening == f"3 of the last 3 calls failed: 3 of 3 at {origin.url}"


# An outage.


async def _outage(seed: int, *, guarded: bool, fault: Fault, seconds: float) -> tuple[Experiment, FakeService, World]:
    fake = FakeService(0.01, workers=1000, faults=[fault], random=Random(seed))
    world = World(
        fake,
        window=20,
        min_calls=20,
        failure_rate=0.5,
        open_for=5.0,
        half_open_calls=5,
        deadline=1.0,
    )
    if not guarded:
        world.service = BackendService("users", world.service.endpoints, InProcessTransport({A: fake}))
        world.gateway = ApiGateway(
            Router([Route("/*", "users")]),
            {"users": world.service},
            [DeadlineMiddleware(1.0, world.clock)],
            clock=world.clock,
        )
    experiment = Experiment(world.gateway)
    await open_loop(Steady(100), seconds, experiment.send, Random(seed + 1))
    return experiment, fake, world


@pytest.mark.parametrize("seed", range(2))
def test_in_an_outage_few_calls_reach_the_service_and_clients_do_not_wait(seed: int) -> None:
    async def main(guarded: bool) -> tuple[int, int, float]:
        experiment, fake, _ = await _outage(seed, guarded=guarded, fault=Fault("hang", 0, 60), seconds=30)
        return fake.arrived, len(experiment.outcomes), experiment.mean()

    arrived, sent, mean = run(main, True)
    # Detection: half of the window times out 1 s after it began, when 100 more are under way; then 5 each 6 s.
    assert sent == pytest.approx(3000, rel=0.05)
    assert arrived == pytest.approx(131, abs=20)
    assert mean == pytest.approx(arrived * 1.0 / sent, abs=0.001)
    assert mean == pytest.approx(0.044, abs=0.007)
    unguarded = run(main, False)
    assert unguarded[:2] == (sent, sent)
    assert unguarded[2] == pytest.approx(1.0)


@settings(max_examples=10)
@given(
    st.sampled_from(["hang", "refuse", "reset"]),
    st.floats(0.5, 12),
    st.integers(0, 10**6),
    st.sampled_from([float("inf"), 0.3, 2.0, 7.0]),
)
def test_after_any_outage_the_service_is_back_within_an_open_time_and_a_timeout(
    kind: str, length: float, seed: int, period: float
) -> None:
    async def main() -> tuple[Experiment, World]:
        fault = Fault(kind, 2, 2 + length, period=period)  # type: ignore[arg-type]  # one of its kinds
        experiment, _, world = await _outage(seed, guarded=True, fault=fault, seconds=2 + length + 10)
        return experiment, world

    experiment, world = run(main)
    assert world.breaking.state is CircuitState.CLOSED
    recovered = 2 + length + 5.0 + 1.0 + 0.5  # probes that met the fault end; the open time; new ones
    late = [outcome.status for outcome in experiment.outcomes if outcome.sent > recovered]
    assert late
    assert set(late) == {200}


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from(["ask", "leave", "wait"]), st.floats(0, 3)), max_size=60), st.booleans())
def test_whatever_callers_do_permits_are_never_exceeded_nor_lost(script: list[tuple[str, float]], slow: bool) -> None:
    async def main() -> None:
        broken, here = True, 0

        async def handle(request: Request, context: RequestContext) -> Response:
            nonlocal here
            half_open = world.breaking.state is CircuitState.HALF_OPEN
            here += half_open
            assert here <= 2
            try:
                await asyncio.sleep(1.0 if broken else 0.1)
            finally:
                here -= half_open
            return Response(500 if broken else 200)

        world = World(handle, half_open_calls=2, open_for=2.0, deadline=1.5, slow_after=0.9 if slow else None)
        tasks: list[asyncio.Task[int]] = []
        for action, number in script:
            if action == "ask":
                tasks += [asyncio.create_task(world.ask()) for _ in range(3)]
            elif action == "leave" and tasks:
                tasks[int(number * 7) % len(tasks)].cancel()
            await asyncio.sleep(number)
        broken = False
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(3):  # old failures in the window may open it once more, and no more
            await world.ask()
            await asyncio.sleep(2)
        assert [await world.ask() for _ in range(6)] == [200] * 6
        assert world.breaking.state is CircuitState.CLOSED

    run(main)
