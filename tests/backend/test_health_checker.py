"""Health checks in virtual time, and one over a real socket: when, whom, and that nothing ends them but `close`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from random import Random

import pytest

from api_gateway.backend.backend_service import BackendService
from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.health_check import HealthCheck
from api_gateway.backend.health_checker import LARGEST, HealthChecker
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import ConnectFailed
from api_gateway.simulation import FakeService, Fault, VirtualClock, run
from api_gateway.transport.http1 import Http1Transport
from api_gateway.transport.transport import Transport
from tests.support.misbehaving_origin import misbehaving_origin

EVERY_5 = HealthCheck("/health", interval=5.0, timeout=1.0, jitter=0.0)
Answer = Callable[[str, Request, RequestContext], Awaitable[Response]]


class Line:
    """A transport that notes when whom was asked, and answers by a function."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[tuple[str, float]] = []
        self.under_way = 0
        self.answers: list[Response] = []

    async def send(self, url: str, request: Request, context: RequestContext) -> Response:
        self.asked.append((url, asyncio.get_running_loop().time()))
        self.under_way += 1
        try:
            response = await self.answer(url, request, context)
        finally:
            self.under_way -= 1
        self.answers.append(response)
        return response

    async def close(self) -> None:
        return

    def times(self, url: str) -> list[float]:
        return [time for asked, time in self.asked if asked == url]


async def well(url: str, request: Request, context: RequestContext) -> Response:
    return Response(200)


async def silent(url: str, request: Request, context: RequestContext) -> Response:
    await asyncio.get_running_loop().create_future()
    raise AssertionError


def by_fake(**services: FakeService) -> Answer:
    async def answer(url: str, request: Request, context: RequestContext) -> Response:
        return await services[url.removeprefix("http://")](request, context)

    return answer


def service_of(
    transport: Transport, *urls: str, check: HealthCheck = EVERY_5, panic_threshold: float = 0.5, seed: int = 1
) -> BackendService:
    return BackendService(
        "s",
        [Endpoint(url) for url in urls],
        transport,
        clock=VirtualClock(),
        random=Random(seed),
        health_check=check,
        panic_threshold=panic_threshold,
    )


def usable(service: BackendService) -> list[str]:
    return [endpoint.url for endpoint in service.health.usable]


def checker(service: BackendService) -> HealthChecker:
    assert service.checker is not None
    return service.checker


async def changes(service: BackendService, seconds: float, step: float = 0.25) -> list[tuple[float, list[str]]]:
    """Who was usable from when on, as seen every `step` seconds."""
    loop = asyncio.get_running_loop()
    seen: list[tuple[float, list[str]]] = []
    while loop.time() < seconds:
        if not seen or seen[-1][1] != usable(service):
            seen.append((loop.time(), usable(service)))
        await asyncio.sleep(step)
    return seen


# When.


def test_every_endpoint_is_checked_at_once_and_then_at_every_interval() -> None:
    async def main() -> Line:
        line = Line(well)
        service = service_of(line, "http://a", "http://b")
        await asyncio.sleep(1)
        assert line.asked == [], "not before it is started"
        await service.start()
        await asyncio.sleep(12)
        await service.close()
        await asyncio.sleep(100)
        return line

    line = run(main)
    assert line.times("http://a") == line.times("http://b") == [1, 6, 11]


def test_a_slow_check_does_not_move_the_next_one() -> None:
    async def slow(url: str, request: Request, context: RequestContext) -> Response:
        await asyncio.sleep(0.75)
        return Response(200)

    async def main() -> Line:
        line = Line(slow)
        service = service_of(line, "http://a")
        await service.start()
        await asyncio.sleep(14)
        await service.close()
        return line

    assert run(main).times("http://a") == pytest.approx([0, 5, 10])


def test_intervals_differ_by_their_jitter_so_that_gateways_do_not_stay_in_step() -> None:
    async def main(seed: int) -> list[float]:
        line = Line(well)
        service = service_of(line, "http://a", check=HealthCheck("/", interval=10.0, jitter=0.2), seed=seed)
        await service.start()
        await asyncio.sleep(2000)
        await service.close()
        return line.times("http://a")

    one, other = run(main, 1), run(main, 2)
    gaps = [after - before for before, after in pairwise(one)]
    assert 8 <= min(gaps) < 8.5
    assert 11.5 < max(gaps) <= 12
    assert sum(gaps) / len(gaps) == pytest.approx(10, abs=0.3)
    together = [time for time in one if any(abs(time - another) < 0.01 for another in other)]
    assert len(together) < 5


# What follows.


def test_an_endpoint_that_dies_is_out_after_two_checks_and_back_after_two_more() -> None:
    async def main() -> list[tuple[float, list[str]]]:
        sick = FakeService(0.01, faults=[Fault("refuse", 12, 31)], random=Random(1))
        line = Line(by_fake(a=sick, b=FakeService(0.01, random=Random(2))))
        service = service_of(line, "http://a", "http://b")
        await service.start()
        seen = await changes(service, 60)
        await service.close()
        return seen

    both = ["http://a", "http://b"]
    assert run(main) == [(0, both), (20, ["http://b"]), (40.25, both)]


def test_an_endpoint_that_hangs_is_out_and_delays_no_other_check() -> None:
    async def main() -> tuple[Line, BackendService]:
        hanging = FakeService(0.01, faults=[Fault("hang", 0)], random=Random(1))
        line = Line(by_fake(a=hanging, b=FakeService(0.01, random=Random(2))))
        service = service_of(line, "http://a", "http://b")
        await service.start()
        await asyncio.sleep(0.5)
        assert usable(service) == ["http://a", "http://b"]
        await asyncio.sleep(0.75)
        assert usable(service) == ["http://b"], "the first result is believed at once"
        assert service.health_of(service.endpoints[0]) == ("unhealthy", "check /health: no answer in 1 s")
        await asyncio.sleep(20)
        await service.close()
        return line, service

    line, service = run(main)
    assert line.times("http://b") == [0, 5, 10, 15, 20]
    assert line.under_way == 0
    assert [endpoint.in_flight + endpoint.requests for endpoint in service.endpoints] == [0, 0]


def test_an_unhealthy_endpoint_always_recovers_however_often_it_fell() -> None:
    """Kong 7566 and 15001: targets that stayed unhealthy for ever."""

    async def main() -> list[tuple[float, list[str]]]:
        flapping = FakeService(0.01, faults=[Fault("refuse", 50, 1050, period=100)], random=Random(1))
        service = service_of(Line(by_fake(a=flapping)), "http://a", panic_threshold=0)
        await service.start()
        seen = await changes(service, 1200)
        await service.close()
        return seen

    seen = run(main)
    assert len(seen) == 1 + 2 * 10
    assert [urls for _, urls in seen] == [["http://a"], *[[], ["http://a"]] * 10]


@pytest.mark.parametrize(
    ("status", "expected", "why"),
    [
        (200, None, ""),
        (204, None, ""),
        (299, None, ""),
        (302, None, "check /health: status 302"),
        (404, None, "check /health: status 404"),
        (503, None, "check /health: status 503"),
        (200, {401}, "check /health: status 200"),
        (401, {401}, ""),
    ],
)
def test_the_expected_statuses_pass_and_no_others(status: int, expected: set[int] | None, why: str) -> None:
    async def answer(url: str, request: Request, context: RequestContext) -> Response:
        return Response(status)

    async def main() -> str:
        check = HealthCheck("/health", expected_status=expected) if expected else HealthCheck("/health")
        service = service_of(Line(answer), "http://a", check=check)
        await service.start()
        await asyncio.sleep(1)
        found = service.health_of(service.endpoints[0]).why
        await service.close()
        return found

    assert run(main) == why


# Nothing ends it.


async def raises_a_defect(url: str, request: Request, context: RequestContext) -> Response:
    raise ZeroDivisionError("of the one who was asked")


async def raises_cancelled(url: str, request: Request, context: RequestContext) -> Response:
    raise asyncio.CancelledError


async def refuses(url: str, request: Request, context: RequestContext) -> Response:
    raise ConnectFailed("refused")


async def endless(url: str, request: Request, context: RequestContext) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1000)

    return Response(200, {}, chunks())


async def stalls(url: str, request: Request, context: RequestContext) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"well, "
        await asyncio.get_running_loop().create_future()

    return Response(200, {}, chunks())


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (raises_a_defect, "check /health: ZeroDivisionError('of the one who was asked')"),
        (raises_cancelled, "check /health: the check was cancelled by whoever was asked"),
        (refuses, "check /health: refused"),
        (stalls, "check /health: no answer in 1 s"),
        (endless, ""),
    ],
)
def test_whatever_a_check_meets_the_next_one_comes(answer: Answer, why: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    async def main() -> None:
        line = Line(answer)
        service = service_of(line, "http://a")
        await service.start()
        await asyncio.sleep(2)
        assert service.health_of(service.endpoints[0]).why == why
        line.answer = well
        await asyncio.sleep(10)
        assert service.health_of(service.endpoints[0]).state == "healthy"
        assert (checker(service).checks, checker(service).failures) == (3, bool(why))
        await service.close()
        for response in line.answers:
            assert not response.held
            assert response.bytes_sent <= LARGEST + 1000

    run(main)


# Who.


def test_an_endpoint_that_leaves_is_not_checked_any_more_and_a_new_one_is_at_once() -> None:
    async def main() -> Line:
        line = Line(well)
        service = service_of(line, "http://a", "http://b")
        await service.start()
        await asyncio.sleep(7)
        service.endpoints = [service.endpoints[1], Endpoint("http://c")]
        await asyncio.sleep(6)
        await service.close()
        return line

    line = run(main)
    assert (line.times("http://a"), line.times("http://b"), line.times("http://c")) == ([0, 5], [0, 5, 10], [7, 12])


def test_a_check_of_an_endpoint_that_leaves_meanwhile_is_dropped() -> None:
    async def main() -> None:
        line = Line(silent)
        service = service_of(line, "http://a")
        await service.start()
        await asyncio.sleep(0.5)
        assert line.under_way == 1
        line.answer = well
        service.endpoints = [Endpoint("http://b")]
        await asyncio.sleep(0.1)
        assert line.under_way == 0
        assert usable(service) == ["http://b"]
        await service.close()

    run(main)


# The end.


def test_closing_waits_until_no_check_is_under_way_and_starting_again_checks_again() -> None:
    async def main() -> None:
        line = Line(silent)
        service = service_of(line, "http://a", "http://b")
        before = asyncio.all_tasks()
        await service.start()
        await service.start()
        await asyncio.sleep(1.25)
        assert len(asyncio.all_tasks() - before) == 2
        assert service.health.panicking
        await asyncio.sleep(4)
        assert line.under_way == 2
        await service.close()
        assert (line.under_way, asyncio.all_tasks() - before) == (0, set())
        assert service.health.healthy == 2, "nobody is left who could say that they recovered"
        await service.close()
        line.answer = well
        await service.start()
        await asyncio.sleep(0)
        assert len(line.asked) == 6
        await service.close()

    run(main)


def test_a_service_without_checks_starts_no_task() -> None:
    async def main() -> None:
        before = asyncio.all_tasks()
        service = BackendService("s", [Endpoint("http://a")], Line(well))
        await service.start()
        assert asyncio.all_tasks() == before
        await service.close()

    run(main)


class Telling(Http1Transport):
    """Tells when an answer is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.closed: asyncio.Queue[int] = asyncio.Queue()

    async def send(self, url: str, request: Request, context: RequestContext) -> Response:
        response = await super().send(url, request, context)
        response.on_close(lambda: self.closed.put_nowait(response.status))
        return response


async def test_over_a_real_socket_a_check_names_its_host_and_itself_and_keeps_the_connection() -> None:
    async with misbehaving_origin() as origin:
        check = HealthCheck("/ok?deep=1", interval=10.0, timeout=10.0, host="internal.example")
        transport = Telling()
        service = BackendService("s", [Endpoint(origin.url)], transport, health_check=check)
        for _ in range(2):
            await service.start()
            assert await transport.closed.get() == 200
            await checker(service).close()
        await service.close()
        request = origin.requests[0]
        assert (request.method, request.target) == ("GET", "/ok?deep=1")
        assert request.headers == [
            ("host", "internal.example"),
            ("user-agent", "api-gateway-health-check"),
            ("accept", "*/*"),
            ("via", "1.1 api-gateway"),
        ]
        assert (len(origin.requests), origin.connections) == (2, 1)
        assert (service.endpoints[0].requests, service.endpoints[0].in_flight) == (0, 0)
