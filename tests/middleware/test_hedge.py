"""Hedge: who wins, what becomes of the loser, and what it does to the tail."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway import BackendService, Endpoint, Request, RequestContext, Response
from api_gateway.core.clock import NANOSECONDS
from api_gateway.core.errors import DeadlineExceeded, GatewayError
from api_gateway.core.middleware import Handler
from api_gateway.core.upstream_errors import ConnectFailed, UpstreamReset
from api_gateway.middleware.deadline import DeadlineMiddleware
from api_gateway.middleware.hedge import HedgeMiddleware
from api_gateway.resilience.hedging import Hedging
from api_gateway.simulation import VirtualClock, run
from api_gateway.transport.in_process import InProcessTransport
from tests.support.attempts import GET, POST, Outcome, Scripted, chunks

MS = 1_000_000


def made(after: int = 50 * MS, max_extra: float = 1.0, minimum: int = 1) -> HedgeMiddleware:
    return HedgeMiddleware(Hedging(after, max_extra, minimum=minimum), VirtualClock())


def now() -> float:
    return asyncio.get_running_loop().time()


async def said(hedge: HedgeMiddleware, service: Handler, context: RequestContext | None = None) -> bytes:
    response = await hedge(GET, context or RequestContext(), service)
    return await response.read()


def only_this_task() -> bool:
    return len(asyncio.all_tasks()) == 1


def test_an_answer_in_time_costs_no_second_call_and_no_task() -> None:
    async def main() -> None:
        tasks: list[int] = []

        async def service(request: Request, context: RequestContext) -> Response:
            await asyncio.sleep(0.049)
            tasks.append(len(asyncio.all_tasks()))
            return Response.text("in time")

        hedge = made()
        assert await said(hedge, service) == b"in time"
        assert (tasks, hedge.hedges, hedge.out_of_budget) == ([1], 0, 0)
        await asyncio.sleep(1)
        assert hedge.hedges == 0

    run(main)


def test_the_second_call_wins_when_the_first_is_late() -> None:
    async def main() -> None:
        service, hedge = Scripted(200, takes=(10.0, 0.02)), made()
        assert await said(hedge, service) == b"1"
        assert now() == pytest.approx(0.07)
        assert (service.times, service.cancelled, service.open) == ([0, pytest.approx(0.05)], 1, 0)
        assert (hedge.hedges, hedge.wins) == (1, 1)
        assert only_this_task()

    run(main)


def test_the_first_call_may_still_win() -> None:
    async def main() -> None:
        service, hedge = Scripted(200, takes=(0.06, 10.0)), made()
        assert await said(hedge, service) == b"0"
        assert now() == pytest.approx(0.06)
        assert (service.calls, service.cancelled, service.open) == (2, 1, 0)
        assert (hedge.hedges, hedge.wins) == (1, 0)
        assert only_this_task()

    run(main)


def test_the_answer_is_closed_by_whoever_has_it_and_the_losers_service() -> None:
    async def main() -> None:
        service = Scripted(503, 200, takes=(0.06, 0.02))
        response = await made()(GET, RequestContext(), service)
        assert (response.status, service.open) == (200, 1)
        await response.close()
        assert service.open == 0

    run(main)


FAILURES: list[Outcome] = [500, 503, ConnectFailed(), UpstreamReset()]


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
@pytest.mark.parametrize("takes", [(0.06, 0.1), (0.2, 0.02), (0.07, 0.02)], ids=["first ends first", "second", "both"])
def test_a_failure_does_not_end_the_race_while_the_other_runs(failure: Outcome, takes: tuple[float, float]) -> None:
    async def main() -> None:
        for outcomes, winner in (((failure, 200), b"1"), ((200, failure), b"0")):
            service, context = Scripted(*outcomes, takes=takes), RequestContext()
            assert await said(made(), service, context) == winner
            assert (service.calls, service.open, context.attempts) == (2, 0, 2)
            assert context.endpoint == f"http://{winner.decode()}"
        assert only_this_task()

    run(main)


@pytest.mark.parametrize("takes", [(0.06, 0.1), (0.2, 0.02)], ids=["first ends first", "second ends first"])
@pytest.mark.parametrize(
    ("first", "second", "counts"),
    [
        (503, 500, 503),
        (503, UpstreamReset(), 503),
        (ConnectFailed("first"), UpstreamReset(), ConnectFailed),
        (UpstreamReset(), 503, 503),
    ],
)
def test_when_both_fail_the_first_counts_and_an_answer_before_an_error(
    takes: tuple[float, float], first: Outcome, second: Outcome, counts: int | type[GatewayError]
) -> None:
    async def main() -> None:
        service, context = Scripted(first, second, takes=takes), RequestContext()
        if isinstance(counts, type):
            with pytest.raises(counts):
                await made()(GET, context, service)
        else:
            response = await made()(GET, context, service)
            assert response.status == counts
            await response.close()
        assert now() == pytest.approx(max(takes[0], 0.05 + takes[1]))
        assert (service.calls, service.open) == (2, 0)
        assert only_this_task()

    run(main)


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_a_failure_before_it_is_late_is_passed_on_service(failure: Outcome) -> None:
    async def main() -> None:
        service, hedge = Scripted(failure, takes=(0.01,)), made()
        with suppress(GatewayError):
            await said(hedge, service)
        assert (now(), service.calls, service.open) == (0.01, 1, 0)
        await asyncio.sleep(1)
        assert (service.calls, hedge.hedges) == (1, 0)

    run(main)


@pytest.mark.parametrize("request_", [POST, Request("PATCH", "/"), Request("PUT", "/", body=chunks(b"x"))], ids=repr)
def test_what_must_not_be_sent_twice_is_not_hedged(request_: Request) -> None:
    async def main() -> None:
        service, hedge = Scripted(200, takes=(1.0,)), made()
        await (await hedge(request_, RequestContext(), service)).close()
        assert (service.calls, hedge.hedges) == (1, 0)

    run(main)


def test_the_second_call_knows_who_was_asked() -> None:
    async def main() -> None:
        service, context = Scripted(200, takes=(1.0, 0.01)), RequestContext()
        context.tried = ("http://before",)
        await said(made(), service, context)
        assert service.tried == [("http://before",), ("http://before", "http://0")]

    run(main)


def test_the_budget_stops_it_when_everything_is_slow() -> None:
    async def main() -> None:
        service, hedge = Scripted(200, takes=(1.0,)), made(max_extra=0.05)
        await asyncio.gather(*(said(hedge, service) for _ in range(200)))
        assert (service.calls, service.open) == (210, 0)
        assert (hedge.hedges, hedge.out_of_budget) == (10, 190)

    run(main)


# What the client's context knows afterwards, through a real service.


def _service(*handlers: Handler, hedge: HedgeMiddleware) -> BackendService:
    urls = {f"in-process://{number}": handler for number, handler in enumerate(handlers)}
    endpoints = [Endpoint(url) for url in urls]
    return BackendService("s", endpoints, InProcessTransport(urls), middleware=[hedge], clock=VirtualClock())


def _after(seconds: float, outcome: Outcome = 200) -> Handler:
    async def handler(request: Request, context: RequestContext) -> Response:
        await asyncio.sleep(seconds)
        if isinstance(outcome, Exception):
            raise outcome
        return Response(200 if isinstance(outcome, Response) else outcome, body=b"x")

    return handler


@pytest.mark.parametrize(
    ("first", "second", "endpoint", "waited"),
    [
        (_after(0.3), _after(0.01), "1", 0.06),
        (_after(0.06), _after(0.3), "0", 0.06),
        (_after(0.06, 503), _after(0.04), "1", 0.09),
        (_after(0.2), _after(0.04, UpstreamReset()), "0", 0.2),
        (_after(0.06, 503), _after(0.1, 503), "0", 0.15),
    ],
)
def test_the_facts_are_the_winners_and_time_counts_once(
    first: Handler, second: Handler, endpoint: str, waited: float
) -> None:
    async def main() -> None:
        backend, context = _service(first, second, hedge=made()), RequestContext()
        context.upstream_duration = context.attempts = 7
        await (await backend(GET, context)).close()
        assert (context.service, context.endpoint, context.attempts) == ("s", f"in-process://{endpoint}", 9)
        assert context.upstream_duration == pytest.approx(waited * NANOSECONDS)
        assert [each.in_flight for each in backend.endpoints] == [0, 0]

    run(main)


# Cancellation.


@pytest.mark.parametrize("leaves", [0.01, 0.06, 0.11], ids=["one call", "two calls", "one has failed"])
def test_a_client_that_leaves_ends_both_calls(leaves: float) -> None:
    async def main() -> None:
        service = Scripted(503, 200, takes=(0.1, 1.0))
        work = asyncio.create_task(said(made(), service))
        await asyncio.sleep(leaves)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert service.open == 0
        assert only_this_task()
        await asyncio.sleep(1)
        assert service.calls == (1 if leaves < 0.05 else 2)

    run(main)


async def _lingers(request: Request, context: RequestContext) -> Response:
    try:
        await asyncio.sleep(10)
    finally:
        await asyncio.sleep(1)  # cleaning up
    raise AssertionError("unreachable")


def test_a_client_that_leaves_while_the_loser_cleans_up_gets_no_answer_and_leaves_none_open() -> None:
    async def main() -> None:
        service = Scripted(200, takes=(0.06,))

        async def both(request: Request, context: RequestContext) -> Response:
            return await (service if service.calls == 0 else _lingers)(request, context)

        work = asyncio.create_task(said(made(), both))
        await asyncio.sleep(0.5)
        assert (work.done(), service.open) == (False, 1)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert service.open == 0
        await asyncio.sleep(1)
        assert only_this_task()

    run(main)


def test_a_client_that_leaves_in_the_moment_of_the_second_answer_has_left() -> None:
    async def main() -> None:
        closed: list[bool] = []

        async def service(request: Request, context: RequestContext) -> Response:
            if context.tried:
                work.cancel()
                response = Response(200)
                response.on_close(lambda: closed.append(True))
                return response
            await asyncio.sleep(10)
            raise AssertionError("unreachable")

        work = asyncio.ensure_future(made()(GET, RequestContext(), service))
        with pytest.raises(asyncio.CancelledError):
            await work
        assert closed == [True]

    run(main)


def test_a_loser_that_answers_when_everybody_has_gone_is_closed() -> None:
    async def main() -> None:
        first, stubborn = Scripted(200, takes=(0.06,)), Scripted(200)

        async def service(request: Request, context: RequestContext) -> Response:
            if not context.tried:
                return await first(request, context)
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(10)
            await asyncio.sleep(1)
            return await stubborn(request, context)

        work = asyncio.create_task(said(made(), service))
        await asyncio.sleep(0.5)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert first.open == 0
        await asyncio.sleep(1)
        assert (stubborn.calls, stubborn.open) == (1, 0)
        assert only_this_task()

    run(main)


def test_the_callers_task_is_not_left_half_cancelled() -> None:
    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        assert await said(made(), Scripted(200, takes=(10.0, 0.02))) == b"1"
        assert task.cancelling() == 0
        async with asyncio.timeout(5):
            await asyncio.sleep(1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.sleep(5)

    run(main)


@pytest.mark.parametrize("cancelled", ["first", "second"])
def test_a_call_that_answers_although_it_was_cancelled_is_closed(cancelled: str) -> None:
    async def main() -> None:
        stubborn = Scripted(200, takes=(0.0,))
        quick = Scripted(200, takes=(0.02,))
        number = 0

        async def service(request: Request, context: RequestContext) -> Response:
            nonlocal number
            number += 1
            if (number == 1) is (cancelled == "first"):
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(10)
                return await stubborn(request, context)
            await asyncio.sleep(0 if number == 2 else 0.06)
            return await quick(request, context)

        task = asyncio.current_task()
        assert task is not None
        await said(made(), service)
        assert (stubborn.calls, stubborn.open, quick.calls, quick.open, task.cancelling()) == (1, 0, 1, 0, 0)
        assert only_this_task()

    run(main)


@pytest.mark.parametrize("deadline", [0.03, 0.06, 0.11])
def test_a_deadline_ends_both_calls_and_is_told_as_one(deadline: float) -> None:
    async def main() -> None:
        service, hedge = Scripted(503, 200, takes=(0.1, 1.0)), made()
        outer = DeadlineMiddleware(deadline, VirtualClock())

        def hedged(request: Request, context: RequestContext) -> object:
            return hedge(request, context, service)

        with pytest.raises(DeadlineExceeded):
            await outer(GET, RequestContext(), hedged)  # type: ignore[arg-type]  # an awaitable, as Handlers give
        assert service.open == 0
        assert only_this_task()

    run(main)


@settings(max_examples=80)
@given(
    outcomes=st.tuples(*[st.sampled_from([200, 404, 500, "reset", "stubborn"])] * 2),
    takes=st.tuples(*[st.sampled_from([0, 10, 49, 50, 51, 60, 100, 150])] * 2),
    leaves=st.none() | st.sampled_from([0, 10, 50, 51, 60, 100, 101, 110]),
)
def test_nothing_is_left_open_whoever_ends_when(
    outcomes: tuple[int | str, int | str], takes: tuple[int, int], leaves: int | None
) -> None:
    """Ends at the very same moment included: the first call, the second, the delay, and the client."""

    async def main() -> None:
        opened = running = calls = 0

        def closed() -> None:
            nonlocal opened
            opened -= 1

        async def body() -> AsyncIterator[bytes]:
            yield b"x"

        async def service(request: Request, context: RequestContext) -> Response:
            nonlocal opened, running, calls
            number, calls = calls, calls + 1
            outcome = outcomes[number]
            running += 1
            try:
                await asyncio.sleep(takes[number] / 1000)
            except asyncio.CancelledError:
                if outcome != "stubborn":
                    raise
            finally:
                running -= 1
            if outcome == "reset":
                raise UpstreamReset
            response = Response(200 if isinstance(outcome, str) else outcome, body=body())
            opened += 1
            response.on_close(closed)
            return response

        work = asyncio.ensure_future(made()(GET, RequestContext(), service))
        if leaves is not None:
            asyncio.get_running_loop().call_later(leaves / 1000, work.cancel)
        with suppress(asyncio.CancelledError, UpstreamReset):
            response = await work
            assert (opened, running) == (1, 0)
            assert response.status < 500 or {*outcomes} <= {500, "reset"} or calls == 1
            await response.close()
        assert (opened, running) == (0, 0)
        assert only_this_task()

    run(main)


# What it is for.


def _latency(random: Random) -> float:
    """99 % exponential of 5 ms, 1 % even over a second: the numbers of "The tail at scale"."""
    return random.expovariate(200) if random.random() < 0.99 else random.random()


def _slower_than(t: float) -> float:
    """S1(t), exactly."""
    return 0.99 * math.exp(-200 * t) + 0.01 * (1 - t) if t > 0 else 1.0


async def _latencies(hedge: HedgeMiddleware | None, requests: int, seed: int) -> tuple[list[float], int]:
    """At 1,000 requests a second; sorted seconds, and the number of calls."""
    random = Random(seed)
    calls = 0
    latencies: list[float] = []

    async def service(request: Request, context: RequestContext) -> Response:
        nonlocal calls
        calls += 1
        await asyncio.sleep(_latency(random))
        return Response(200)

    async def ask() -> None:
        began = now()
        context = RequestContext()
        await (service(GET, context) if hedge is None else hedge(GET, context, service))
        latencies.append(now() - began)

    async with asyncio.TaskGroup() as group:
        for number in range(requests):
            await asyncio.sleep(number / 1000 - now())
            group.create_task(ask())
    return sorted(latencies), calls


@pytest.mark.parametrize("after", [0.005, 0.0159])
def test_an_answer_is_late_only_if_both_calls_are(after: float) -> None:
    """S(t) = S1(t) * S1(t - d), where the budget is not in the way."""

    async def main() -> None:
        requests = 5000
        latencies, calls = await _latencies(made(round(after * NANOSECONDS)), requests, seed=11)
        for t in (0.002, 0.004, 0.01, 0.02, 0.025, 0.03):
            share = sum(latency > t for latency in latencies) / requests
            theory = _slower_than(t) * (_slower_than(t - after) if t > after else 1)
            error = math.sqrt(theory * (1 - theory) / requests)
            assert abs(share - theory) < 4 * error, t
        assert (calls - requests) / requests == pytest.approx(_slower_than(after), rel=0.1)

    run(main)


def test_a_twentieth_more_calls_takes_the_tail_away() -> None:
    async def main() -> None:
        requests = 6000
        alone, _ = await _latencies(None, requests, seed=3)
        after = alone[requests * 95 // 100]
        hedge = made(round(after * NANOSECONDS), max_extra=0.06)
        hedged, calls = await _latencies(hedge, requests, seed=3)
        assert alone[requests * 999 // 1000] > 0.8
        assert hedged[requests * 999 // 1000] < 0.06
        assert 1.045 < calls / requests <= 1.06

    run(main)
