"""Traffic in the laboratory of latency."""

from collections.abc import Sequence

import pytest

from api_gateway.core.clock import Clock
from api_gateway.core.middleware import Handler, Middleware
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.plotting.latency.laboratory import milliseconds, outcomes_of, outcomes_of_users
from api_gateway.simulation import Fault


def test_an_open_loop_asks_at_its_rate_whatever_the_service_does() -> None:
    outcomes = outcomes_of(0.1, rate=50, seconds=20, workers=1)
    assert len(outcomes) == pytest.approx(1000, rel=0.1)
    assert [one.sent for one in outcomes] == sorted(one.sent for one in outcomes)
    assert max(one.duration for one in outcomes) > 50, "a service of ten a second falls behind by forty each second"


def test_users_wait_for_their_answers() -> None:
    outcomes = outcomes_of_users(0.1, users=2, think=0.3, seconds=10)
    assert len(outcomes) == 2 * 25
    assert milliseconds(outcomes) == pytest.approx([100.0] * 50)


def test_the_same_seed_is_the_same_run() -> None:
    runs = [outcomes_of(0.1, 20, 5, workers=1, seed=seed) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_middleware_stands_around_the_service_and_keeps_virtual_time() -> None:
    seen: list[int] = []

    def make(clock: Clock) -> Sequence[Middleware]:
        async def note(request: Request, context: RequestContext, call_next: Handler) -> Response:
            response = await call_next(request, context)
            seen.append(clock.monotonic())
            return response

        return [note]

    outcomes = outcomes_of(0.5, 10, 2, middleware=make)
    assert seen == pytest.approx([(one.sent + one.duration) * 1e9 for one in outcomes])


def test_a_pause_is_one_request_that_takes_so_long() -> None:
    outcomes = outcomes_of_users(0.01, 1, 0.01, 10, workers=1, faults=[Fault("slow", 5, 7, factor=200)])
    assert sum(one.duration > 1.9 for one in outcomes) == 1
