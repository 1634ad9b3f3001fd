"""Retries hide a failure, and never feed an outage."""

from __future__ import annotations

import asyncio
from random import Random

from broken import RetryMiddleware

from api_gateway import Handler, Request, RequestContext, Response, chain
from api_gateway.core.upstream_errors import UpstreamError, UpstreamReset, UpstreamTimeout
from api_gateway.simulation import FakeService, Fault, Steady, open_loop, run


class Flaky:
    """Fails with a probability that may be changed."""

    def __init__(self, failing: float, seed: int = 12) -> None:
        self.failing = failing
        self.calls = 0
        self.random = Random(seed)

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        self.calls += 1
        if self.random.random() < self.failing:
            raise UpstreamReset("broke off")
        return Response()


async def succeeded(handler: Handler) -> bool:
    try:
        await (await handler(Request("GET", "/"), RequestContext())).close()
    except UpstreamError:
        return False
    return True


def test_a_failure_here_and_there_is_hidden() -> None:
    async def scenario() -> int:
        handler = chain([RetryMiddleware()], Flaky(0.02))
        return sum([await succeeded(handler) for _ in range(5_000)])

    answered = run(scenario)
    assert answered >= 4_995, (
        f"2 % of calls fail, and a retry is allowed: {5_000 - answered} of 5000 clients saw an error"
    )


def test_the_first_request_of_a_quiet_service_may_be_tried_again() -> None:
    async def scenario() -> int:
        flaky = Flaky(1.0)
        await succeeded(chain([RetryMiddleware()], flaky))
        return flaky.calls

    assert run(scenario) >= 2, "there was no traffic before, so nothing is overloaded: one failure deserves another try"


def test_when_everything_fails_the_load_hardly_grows() -> None:
    async def scenario() -> int:
        flaky = Flaky(1.0)
        handler = chain([RetryMiddleware()], flaky)
        for _ in range(2_000):
            await succeeded(handler)
        return flaky.calls

    calls = run(scenario)
    assert calls <= 2_600, f"the service is down, and 2000 requests became {calls} calls: that keeps it down"


def test_good_times_do_not_save_up_a_storm() -> None:
    async def scenario() -> None:
        flaky = Flaky(0.0)
        handler = chain([RetryMiddleware()], flaky)
        for _ in range(3):
            for _ in range(5_000):
                await succeeded(handler)
            await asyncio.sleep(60)
            flaky.failing, before = 1.0, flaky.calls
            for _ in range(200):
                await succeeded(handler)
            flaky.failing, calls = 0.0, flaky.calls - before
            assert calls <= 300, f"5000 requests went well; a minute later 200 failed, and became {calls} calls"

    run(scenario)


def test_when_the_trigger_is_gone_the_outage_is_over() -> None:
    async def scenario() -> float:
        # 20 requests a second are its capacity, 14 come; from 10 s to 20 s it has a tenth of its speed.
        service = FakeService(0.05, random=Random(12), faults=[Fault("slow", 10, 20, factor=10)])

        async def for_a_second(request: Request, context: RequestContext) -> Response:
            try:
                async with asyncio.timeout(1):
                    return await service(request, context)
            except TimeoutError:
                raise UpstreamTimeout("nobody waits for longer than a second") from None

        handler = chain([RetryMiddleware()], for_a_second)
        late: list[bool] = []

        async def client() -> None:
            began = asyncio.get_running_loop().time()
            ok = await succeeded(handler)
            if began > 90:
                late.append(ok)

        await open_loop(Steady(14), 120, client, Random(13))
        return sum(late) / len(late)

    share = run(scenario)
    assert share > 0.95, (
        f"the service was slow from 10 s to 20 s; after 90 s it has been healthy for over a minute, and {share:.0%} of "
        "the requests succeed: the retries themselves keep its queue full"
    )
