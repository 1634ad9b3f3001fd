"""Fast is not the same as well."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from broken import LeastBusy

from api_gateway import BackendService, Endpoint, GatewayError, Request, RequestContext, Response
from api_gateway.core.upstream_errors import ConnectFailed
from api_gateway.simulation import Exponential, FakeService, Steady, VirtualClock, open_loop, run
from api_gateway.transport.in_process import InProcessTransport

URLS = ["http://a", "http://b", "http://c"]


class Instance:
    """Well, but from `ill` to `well`, when it fails in a millisecond."""

    def __init__(self, seed: int, ill: float, well: float, how: str) -> None:
        self.service = FakeService(Exponential(0.05), workers=20, random=Random(seed))
        self.ill, self.well, self.how = ill, well, how

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        if self.ill <= asyncio.get_running_loop().time() < self.well:
            await asyncio.sleep(0.001)
            if self.how == "refuses":
                raise ConnectFailed("refused")
            return Response(int(self.how))
        return await self.service(request, context)


@dataclass
class Record:
    """What became of the requests: their instance and whether they failed, by second."""

    seconds: list[tuple[float, str, bool]] = field(default_factory=list)

    def failed(self, begin: float, end: float) -> float:
        outcomes = [failed for second, _, failed in self.seconds if begin <= second < end]
        return sum(outcomes) / len(outcomes)

    def shares(self, begin: float, end: float) -> list[float]:
        counts = Counter(url for second, url, _ in self.seconds if begin <= second < end)
        return [counts[url] / counts.total() for url in URLS]


async def traffic(*ill: tuple[str, float, float], how: str = "500", seconds: float = 15) -> Record:
    """60 requests a second; `ill` says who is ill, and from when to when."""
    when = {url: (begin, end) for url, begin, end in ill}
    handlers = {url: Instance(seed, *when.get(url, (0, 0)), how) for seed, url in enumerate(URLS)}
    clock, record = VirtualClock(), Record()
    endpoints = [Endpoint(url) for url in URLS]
    service = BackendService("search", endpoints, InProcessTransport(handlers), LeastBusy(clock), clock=clock)

    async def client() -> None:
        begin, context = asyncio.get_running_loop().time(), RequestContext()
        try:
            failed = (await service(Request("GET", "/"), context)).status >= 500
        except GatewayError:
            failed = True
        record.seconds.append((begin, context.endpoint, failed))

    await open_loop(Steady(60), seconds, client, Random(16))
    return record


def test_who_is_well_gets_a_fair_share() -> None:
    shares = run(traffic).shares(0, 15)
    assert min(shares) > 0.28, f"three equal instances got {', '.join(f'{share:.0%}' for share in shares)}"


def test_an_instance_that_fails_fast_does_not_swallow_the_traffic() -> None:
    for how in ("500", "503", "refuses"):
        failed = run(traffic, ("http://b", 0, 99), how=how).failed(2, 15)
        assert failed < 0.05, (
            f"one of three instances fails in a millisecond ({how}), and {failed:.0%} of the requests fail: it never "
            "has anything in flight, so it looks like the least busy of all"
        )


def test_a_client_error_is_no_failure_of_the_instance() -> None:
    shares = run(traffic, ("http://b", 0, 99), how="404").shares(2, 15)
    assert shares[1] > 0.3, f"404 is a proper answer, and a fast one; the instance got {shares[1]:.0%} of the traffic"


def test_an_instance_that_is_well_again_gets_its_share_again() -> None:
    record = run(traffic, ("http://b", 0, 4), seconds=30)
    shares = record.shares(20, 30)
    assert shares[1] > 0.2, f"it was ill until 4 s; from 20 s to 30 s it got {shares[1]:.0%} of the traffic"


def test_when_all_fail_it_goes_on_choosing_and_finds_out_who_recovers() -> None:
    record = run(traffic, *((url, 5, 10) for url in URLS), seconds=30)
    shares = record.shares(6, 10)
    assert min(shares) > 0.2, f"all failed alike, and got {shares}: nothing told one from another"
    failed = record.failed(20, 30)
    assert failed == 0, f"all have been well since 10 s, and from 20 s on {failed:.0%} of the requests failed"
    assert min(record.shares(20, 30)) > 0.25, (
        f"after it all have an equal share again; they got {record.shares(20, 30)}"
    )


def test_two_of_three_may_fail() -> None:
    record = run(traffic, ("http://a", 0, 99), ("http://c", 4, 12), seconds=25)
    assert record.failed(5, 25) < 0.25, f"one instance is well all the time; {record.failed(5, 25):.0%} failed"
