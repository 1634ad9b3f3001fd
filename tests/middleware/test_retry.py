"""Retry: what is repeated, when, how often, and what never is."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway import Request, RequestContext, Response
from api_gateway.core.clock import NANOSECONDS
from api_gateway.core.errors import (
    BadRequest,
    CircuitOpen,
    ClientDisconnected,
    DeadlineExceeded,
    GatewayError,
    NoHealthyEndpoint,
    Overloaded,
    RateLimited,
)
from api_gateway.core.middleware import chain
from api_gateway.core.upstream_errors import (
    ConnectFailed,
    ConnectTimeout,
    UpstreamProtocolError,
    UpstreamReset,
    UpstreamTimeout,
)
from api_gateway.middleware.retry import DEFAULT_FAILURES, RetryMiddleware
from api_gateway.resilience.backoff import Backoff
from api_gateway.resilience.retry_budget import RetryBudget
from api_gateway.simulation import VirtualClock, run
from tests.support.attempts import GET, POST, Outcome, Scripted, chunks

MS = 1_000_000
PLENTY = 1_000_000


def made(
    attempts: int = 3,
    *,
    on: tuple[str | int, ...] = DEFAULT_FAILURES,
    budget: RetryBudget | None = None,
    jitter: str = "none",
    base: int = 25 * MS,
    seed: int = 1,
) -> RetryMiddleware:
    """In virtual time, and without chance unless asked for: waits of 25, 50, 100, 200 and 250 ms."""
    backoff = Backoff(base, max(base, 250 * MS), Random(seed), jitter)
    return RetryMiddleware(attempts, backoff, budget, on=on, clock=VirtualClock())


async def told(retry: RetryMiddleware, service: Scripted, request: Request = GET) -> int | GatewayError:
    """The status that the client gets, or the error; and nothing is left open."""
    try:
        response = await retry(request, RequestContext(), service)
    except GatewayError as error:
        assert service.open == 0
        return error
    assert service.open == 1
    await response.close()
    assert service.open == 0
    return response.status


RETRIABLE: list[Outcome] = [
    502,
    503,
    504,
    ConnectFailed(),
    ConnectTimeout(),
    UpstreamReset(),
    UpstreamReset(sent=False),
    UpstreamTimeout(),
    UpstreamProtocolError(),
]


@pytest.mark.parametrize("outcome", RETRIABLE, ids=repr)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_an_idempotent_request_is_repeated_after_any_of_these(method: str, outcome: Outcome) -> None:
    async def main() -> None:
        service, retry = Scripted(outcome, outcome, 200), made()
        assert await told(retry, service, Request(method, "/", body=b"x")) == 200
        assert (service.calls, retry.retries, retry.exhausted) == (3, 2, 0)

    run(main)


@pytest.mark.parametrize("method", ["POST", "PATCH", "LOCK"])
@pytest.mark.parametrize("outcome", [502, 503, 504, UpstreamReset(), UpstreamTimeout(), UpstreamProtocolError()])
def test_a_post_that_may_have_arrived_is_never_sent_twice(method: str, outcome: Outcome) -> None:
    """Traefik issue 8990."""

    async def main() -> None:
        service, retry = Scripted(outcome, 200), made(on=(*DEFAULT_FAILURES, "reset", "timeout"))
        said = await told(retry, service, Request(method, "/", body=b"x"))
        assert said is outcome if isinstance(outcome, Exception) else said == outcome
        assert (service.calls, retry.retries) == (1, 0)

    run(main)


@pytest.mark.parametrize("outcome", [ConnectFailed(), ConnectTimeout(), UpstreamReset(sent=False)])
def test_a_post_that_was_not_sent_is_repeated(outcome: GatewayError) -> None:
    async def main() -> None:
        service = Scripted(outcome, 200, reads_body=False)
        assert await told(made(), service, POST) == 200
        assert service.calls == 2

    run(main)


REFUSALS = [CircuitOpen, NoHealthyEndpoint, Overloaded, RateLimited, DeadlineExceeded, BadRequest]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_what_the_gateway_refuses_itself_is_not_repeated(refusal: type[GatewayError]) -> None:
    async def main() -> None:
        error = refusal()
        service, retry = Scripted(error, 200), made(on=(*DEFAULT_FAILURES, 429))
        assert await told(retry, service) is error
        assert (service.calls, retry.retries, retry.exhausted) == (1, 0, 0)

    run(main)


def test_a_breaker_that_opens_between_two_tries_ends_them() -> None:
    """Spring Cloud Gateway issue 2524: retries went on against an open breaker."""

    async def main() -> None:
        refused = CircuitOpen()
        service, retry = Scripted(503, refused), made(attempts=5)
        assert await told(retry, service) is refused
        assert service.calls == 2

    run(main)


@pytest.mark.parametrize("answer", [200, 204, 301, 404, 429, 500, 501])
def test_an_answer_that_is_not_listed_is_passed_on(answer: int) -> None:
    async def main() -> None:
        service = Scripted(answer)
        assert await told(made(), service) == answer
        assert service.calls == 1

    run(main)


@pytest.mark.parametrize(
    ("on", "repeated"),
    [
        (("connect_error",), [ConnectFailed(), ConnectTimeout(), UpstreamReset(sent=False)]),
        (("reset",), [UpstreamReset()]),
        (("timeout",), [UpstreamTimeout()]),
        (("protocol_error",), [UpstreamProtocolError()]),
        ((504,), [504, ConnectTimeout(), UpstreamTimeout()]),
        ((503,), [503]),
    ],
)
def test_only_what_is_listed_is_repeated(on: tuple[str | int, ...], repeated: list[Outcome]) -> None:
    async def main() -> None:
        for outcome in RETRIABLE:
            service = Scripted(outcome, 200)
            await told(made(on=on), service)
            listed = any(type(outcome) is type(each) and _sent(outcome) == _sent(each) for each in repeated)
            if isinstance(outcome, int):
                listed = outcome in repeated
            assert service.calls == 1 + listed, outcome

    run(main)


def _sent(outcome: Outcome) -> bool:
    return bool(getattr(outcome, "sent", True))


def test_when_all_tries_fail_the_client_gets_the_last_answer() -> None:
    async def main() -> None:
        service, retry = Scripted(ConnectFailed(), 502, 503), made()
        response = await retry(GET, RequestContext(), service)
        assert (response.status, await response.read()) == (503, b"2")
        assert (service.calls, service.open, retry.retries, retry.exhausted) == (3, 0, 2, 1)
        error = UpstreamReset()
        assert await told(made(), Scripted(503, 503, error)) is error

    run(main)


def test_one_attempt_is_no_retry() -> None:
    async def main() -> None:
        service = Scripted(503)
        assert await told(made(attempts=1), service) == 503
        assert service.calls == 1

    run(main)


def test_the_waits_grow_up_to_the_cap() -> None:
    async def main() -> None:
        service = Scripted(503)
        await told(made(attempts=7), service)
        waits = [round((then - before) * 1000) for before, then in zip(service.times, service.times[1:], strict=False)]
        assert waits == [25, 50, 100, 200, 250, 250]

    run(main)


def test_the_waits_are_spread_by_chance() -> None:
    async def main() -> None:
        first = []
        retry = made(jitter="full", seed=4)
        for _ in range(400):
            service = Scripted(503, 200)
            await told(retry, service)
            first.append(service.times[1] - service.times[0])
        assert max(first) < 0.025
        assert sum(first) / len(first) == pytest.approx(0.0125, rel=0.1)

    run(main)


def test_an_answer_that_is_refused_is_closed_before_the_wait() -> None:
    async def main() -> None:
        service = Scripted(503, 200)
        work = asyncio.create_task(told(made(), service))
        await asyncio.sleep(0.01)
        assert (service.calls, service.open) == (1, 0)
        assert await work == 200

    run(main)


def test_the_next_try_knows_who_was_asked() -> None:
    async def main() -> None:
        service = Scripted(503, ConnectFailed(), 200)
        await told(made(), service)
        assert service.tried == [(), ("http://0",), ("http://0", "http://1")]

    run(main)


# Bodies.


def test_a_body_in_memory_is_sent_again() -> None:
    async def main() -> None:
        service = Scripted(503, 200, reads_body=True)
        assert await told(made(), service, Request("PUT", "/", body=b"whole")) == 200
        assert service.bodies == [b"whole", b"whole"]

    run(main)


@pytest.mark.parametrize("outcome", [503, UpstreamReset(), ConnectFailed()])
def test_a_streamed_body_that_was_begun_is_not_sent_again(outcome: Outcome) -> None:
    async def main() -> None:
        service = Scripted(outcome, 200, reads_body=True)
        await told(made(), service, Request("PUT", "/", body=chunks(b"a", b"b")))
        assert service.bodies == [b"ab"]

    run(main)


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_streamed_body_that_nobody_touched_is_sent_whole(method: str) -> None:
    async def main() -> None:
        read: list[bytes] = []

        async def service(request: Request, context: RequestContext) -> Response:
            context.attempts += 1
            if context.attempts < 3:
                raise ConnectFailed("refused before a byte was read")
            read.append(await request.read())
            return Response.text("stored")

        response = await made()(Request(method, "/", body=chunks(b"a", b"b")), RequestContext(), service)
        assert (response.status, read) == (200, [b"ab"])

    run(main)


# Retry-After.


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("value", ["1", "Thu, 01 Jan 1970 00:00:01 GMT"])
def test_retry_after_is_waited_for_and_the_jitter_comes_on_top(status: int, value: str) -> None:
    async def main() -> None:
        service = Scripted(Response(status, {"retry-after": value}), 200)
        assert await told(made(on=(429, 503)), service) == 200
        assert service.times == [0, pytest.approx(1.025)]

    run(main)


@pytest.mark.parametrize("value", ["2", "3600", "99999999999999999999", "Fri, 31 Dec 2027 23:59:59 GMT"])
def test_a_longer_retry_after_is_for_the_client(value: str) -> None:
    async def main() -> None:
        service, retry = Scripted(Response(503, {"retry-after": value})), made()
        response = await retry(GET, RequestContext(), service)
        assert (response.status, response.header("retry-after")) == (503, value)
        assert (service.calls, retry.out_of_time, retry.exhausted) == (1, 1, 0)
        await response.close()

    run(main)


def test_a_retry_after_beyond_the_deadline_is_for_the_client() -> None:
    async def main() -> None:
        service, retry = Scripted(Response(503, {"retry-after": "1"})), made()
        context = RequestContext()
        context.deadline = NANOSECONDS
        response = await retry(GET, context, service)
        assert (response.status, service.calls, retry.out_of_time) == (503, 1, 1)
        await response.close()

    run(main)


# The deadline.


@pytest.mark.parametrize(("deadline", "calls"), [(24 * MS, 1), (25 * MS, 1), (26 * MS, 2), (75 * MS, 2), (76 * MS, 3)])
def test_no_try_begins_at_or_after_the_deadline(deadline: int, calls: int) -> None:
    async def main() -> None:
        service = Scripted(503)
        context = RequestContext()
        context.deadline = deadline
        response = await made()(GET, context, service)
        assert (response.status, service.calls) == (503, calls)
        await response.close()
        error = UpstreamReset()
        context.deadline = round(VirtualClock().monotonic()) + 1
        with pytest.raises(UpstreamReset) as caught:
            await made()(GET, context, Scripted(error))
        assert caught.value is error

    run(main)


# The client leaves.


def test_a_client_that_leaves_during_the_wait_ends_it_all() -> None:
    async def main() -> None:
        service = Scripted(503)
        work = asyncio.create_task(made()(GET, RequestContext(), service))
        await asyncio.sleep(0.01)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        await asyncio.sleep(1)
        assert (service.calls, service.open) == (1, 0)

    run(main)


def test_a_client_that_leaves_during_the_second_try_ends_it() -> None:
    async def main() -> None:
        service = Scripted(503, 200, takes=(0.0, 10.0))
        work = asyncio.create_task(made()(GET, RequestContext(), service))
        await asyncio.sleep(0.1)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert (service.calls, service.cancelled, service.open) == (2, 1, 0)

    run(main)


@pytest.mark.parametrize("error", [ClientDisconnected(), ValueError("a defect")])
def test_what_is_no_failure_of_the_service_passes(error: Exception) -> None:
    async def main() -> None:
        service = Scripted(error)
        with pytest.raises(type(error)):
            await made()(GET, RequestContext(), service)
        assert service.calls == 1

    run(main)


# How much in all.


@pytest.mark.parametrize(("p", "retries"), [(0.5, 1), (0.5, 3), (0.9, 2), (1.0, 3)])
def test_calls_are_amplified_as_theory_says(p: float, retries: int) -> None:
    async def main() -> None:
        requests, calls = 8000, 0
        chance = Random(7)

        async def service(request: Request, context: RequestContext) -> Response:
            nonlocal calls
            calls += 1
            return Response(503 if chance.random() < p else 200)

        retry = made(attempts=retries + 1)
        for _ in range(requests):
            await retry(GET, RequestContext(), service)
        theory = (1 - p ** (retries + 1)) / (1 - p) if p < 1 else retries + 1
        assert calls / requests == pytest.approx(theory, rel=0.02)
        assert retry.retries == calls - requests

    run(main)


def test_three_layers_of_retries_multiply() -> None:
    async def main() -> int:
        service = Scripted(503)
        handler = chain([made(4), made(4), made(4)], service)
        await (await handler(GET, RequestContext())).close()
        assert service.open == 0
        return service.calls

    assert run(main) == 4**3


def test_the_budget_bounds_what_all_requests_do_together() -> None:
    async def main() -> None:
        service = Scripted(503)
        retry = made(attempts=4, budget=RetryBudget(0.2, minimum=0))
        responses = await asyncio.gather(*(retry(GET, RequestContext(), service) for _ in range(1000)))
        assert (service.calls, retry.retries) == (1200, 200)
        assert retry.out_of_budget == 1000
        for response in responses:
            await response.close()
        assert service.open == 0

    run(main)


def test_a_crowd_that_waits_is_not_free() -> None:
    """Envoy issue 30205: retries that wait for their backoff were not counted, so a burst went over the budget."""

    async def main() -> None:
        service = Scripted(503)
        retry = made(attempts=2, budget=RetryBudget(0.1, minimum=5), base=10_000 * MS)
        asked = [asyncio.create_task(retry(GET, RequestContext(), service)) for _ in range(20)]
        await asyncio.sleep(1)
        assert sum(not each.done() for each in asked) == 5
        for each in asked:
            await (await each).close()
        assert (service.calls, retry.retries, service.open) == (25, 5, 0)

    run(main)


def test_a_request_counts_once_however_often_it_is_tried() -> None:
    async def main() -> None:
        budget = RetryBudget(0.5, minimum=0)
        service = Scripted(503)
        retry = made(attempts=5, budget=budget)
        for _ in range(4):
            await told(retry, service)
        assert service.calls == 6

    run(main)


@settings(max_examples=60)
@given(
    script=st.lists(
        st.sampled_from([200, 404, 500, 502, 503, 504, "refused", "reset", "timeout", "open"]), min_size=1, max_size=8
    ),
    method=st.sampled_from(["GET", "POST", "PUT"]),
    attempts=st.integers(1, 5),
    streamed=st.booleans(),
    deadline=st.none() | st.integers(1, 400),
)
def test_whatever_happens_the_promises_hold(
    script: list[int | str], method: str, attempts: int, streamed: bool, deadline: int | None
) -> None:
    async def main() -> None:
        errors = {"refused": ConnectFailed, "reset": UpstreamReset, "timeout": UpstreamTimeout, "open": CircuitOpen}
        outcomes: list[Outcome] = [each if isinstance(each, int) else errors[each]() for each in script]
        service = Scripted(*outcomes, reads_body=True)
        retry = made(attempts, jitter="full", budget=RetryBudget(0.2, minimum=3))
        context = RequestContext()
        context.deadline = None if deadline is None else deadline * MS
        body = chunks(b"x") if streamed else b"x"
        said: object
        try:
            response = await retry(Request(method, "/", body=body), context, service)
            said = response.status
            await response.close()
        except GatewayError as error:
            said = error
        seen = [*outcomes[: service.calls], *[outcomes[-1]] * (service.calls - len(outcomes))]
        assert said == seen[-1]
        assert service.open == 0
        assert service.calls == retry.retries + 1 <= min(attempts, 4)
        assert set(service.bodies) == {b"x"}
        assert service.calls == 1 or not streamed
        for before in seen[:-1]:
            assert before in (502, 503, 504) or isinstance(before, ConnectFailed | UpstreamReset | UpstreamTimeout)
            assert method != "POST" or isinstance(before, ConnectFailed)
        assert all(deadline is None or then * 1000 < deadline for then in service.times[1:])

    run(main)


def test_numbers_that_make_no_sense_are_errors() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="attempts must be at least 1"):
            made(attempts=0)
        with pytest.raises(ValueError, match="no failure 'circuit_open' here: write one of connect_error, reset"):
            made(on=("circuit_open",))
        with pytest.raises(ValueError, match="at least one failure"):
            made(on=())

    run(main)
