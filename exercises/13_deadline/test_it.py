"""The client waits three seconds: not for each try, for all of it."""

from __future__ import annotations

import asyncio
from random import Random

from broken import Patience

from api_gateway import GatewayError, Request, RequestContext, Response, chain
from api_gateway.core.clock import NANOSECONDS
from api_gateway.core.upstream_errors import UpstreamReset
from api_gateway.simulation import VirtualClock, run

TICK = 0.001
FOR_EVER = 1e9


class Service:
    """Answers each call after so many seconds; a negative number is a failure, after so many."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = list(seconds)
        self.began: list[float] = []
        self.deadlines: list[int | None] = []

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        self.began.append(asyncio.get_running_loop().time())
        self.deadlines.append(context.deadline)
        seconds = self.seconds.pop(0) if self.seconds else 0.0
        await asyncio.sleep(abs(seconds))
        if seconds < 0:
            raise UpstreamReset("broke off")
        return Response()


async def ask(
    service: Service, *, queued: float = 0.0, deadline: float | None = None, layers: int = 1
) -> tuple[int, float]:
    """The status, and when the client had it: seconds from the beginning."""
    clock = VirtualClock()
    context = RequestContext(clock.monotonic())
    if deadline is not None:
        context.deadline = context.started + round(deadline * NANOSECONDS)
    await asyncio.sleep(queued)
    try:
        handler = chain([Patience(clock) for _ in range(layers)], service)
        status = (await handler(Request("GET", "/"), context)).status
    except GatewayError as error:
        status = error.status
    return status, (clock.monotonic() - context.started) / NANOSECONDS


def test_an_answer_in_time_is_passed_on() -> None:
    assert run(ask, Service(0.5)) == (200, 0.5)
    status, after = run(ask, Service(-0.1, -0.1, 0.1))
    assert status == 200, f"two quick failures leave time for a third try; the client got {status} after {after} s"


def test_a_service_that_hangs_costs_three_seconds_and_not_nine() -> None:
    status, after = run(ask, Service(*[FOR_EVER] * 9))
    assert status == 504, f"nobody answered; the client got {status}"
    assert after <= 3 + TICK, f"the client waits 3 s, and had its error after {after:g} s: each try began a new 3 s"


def test_what_was_spent_before_counts() -> None:
    service = Service(*[FOR_EVER] * 9)
    status, after = run(ask, service, queued=2.0)
    assert after <= 3 + TICK, f"2 s went by in a queue, 1 s is left; the client had its {status} after {after:g} s"
    assert service.began, "with 1 s left a try is worth while"


def test_a_try_that_hangs_leaves_time_for_the_next() -> None:
    status, after = run(ask, Service(FOR_EVER, 0.2))
    assert status == 200, f"one instance hangs, the next is quick; the client got {status} after {after:g} s"
    assert after <= 3, f"there was an answer, {after:g} s after the request: the client had gone after 3 s"


def test_an_earlier_deadline_from_outside_holds_and_is_passed_on() -> None:
    service = Service(*[FOR_EVER] * 9)
    _, after = run(ask, service, deadline=1.0)
    assert after <= 1 + TICK, f"somebody further out waits 1 s only; the error came after {after:g} s"
    service = Service()
    run(ask, service, deadline=60.0)
    assert service.deadlines == [3 * NANOSECONDS], (
        f"those inside must know the deadline (3 s); were told {service.deadlines}"
    )


def test_whatever_the_service_does_nobody_works_after_the_deadline() -> None:
    async def scenario() -> None:
        random = Random(13)
        for _ in range(400):
            fate = [random.choice([0.1, 0.9, 2.0, 2.9, -0.1, -0.8, -1.4, FOR_EVER]) for _ in range(9)]
            queued, layers, begin = (
                random.choice([0, 0.5, 2.5, 4]),
                random.choice([1, 1, 2]),
                asyncio.get_running_loop().time(),
            )
            service = Service(*fate)
            status, after = await ask(service, queued=queued, layers=layers)
            told = f"{queued} s in a queue, {layers} layers, the service {fate}"
            assert after <= max(3, queued) + TICK, f"{told}: {status} after {after:g} s"
            late = [time - begin for time in service.began if time - begin >= 3]
            assert not late, f"{told}: asked again at {late} s, when the client had gone"

    run(scenario)
