"""A place is taken until the answer is finished, and then it is free."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from random import Random

from broken import Slots

from api_gateway import GatewayError, Request, RequestContext, Response, chain
from api_gateway.core.upstream_errors import UpstreamReset
from api_gateway.simulation import run


class Reports:
    """Answers at once with a body that takes ten seconds; counts how many it is at work on."""

    def __init__(self) -> None:
        self.at_work = self.most = 0

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        if request.path == "/hangs":
            await asyncio.sleep(1e9)
        if request.path == "/fails":
            raise UpstreamReset("broke off before the head")
        if request.path == "/defect":
            raise ZeroDivisionError
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        response = Response(200, body=self._pages(breaks=request.path == "/breaks"))
        response.on_close(self._finished)
        return response

    async def _pages(self, *, breaks: bool) -> AsyncIterator[bytes]:
        for page in range(10):
            await asyncio.sleep(1)
            if breaks and page == 5:
                raise UpstreamReset("broke off in the body")
            yield b"page"

    def _finished(self) -> None:
        self.at_work -= 1


async def read(slots: Slots, reports: Reports, path: str = "/") -> str:
    try:
        return f"{len(await (await chain([slots], reports)(Request('GET', path), RequestContext())).read())} bytes"
    except (GatewayError, ZeroDivisionError) as error:
        return type(error).__name__


def test_the_service_never_works_on_more_than_the_limit() -> None:
    async def scenario() -> tuple[int, list[str]]:
        slots, reports, clients = Slots(10), Reports(), []
        for _ in range(40):
            clients.append(asyncio.create_task(read(slots, reports)))
            await asyncio.sleep(0.01)
        return reports.most, await asyncio.gather(*clients)

    most, answers = run(scenario)
    assert most == 10, (
        f"the limit is 10, and {most} reports were made at once: the place was free before the body was sent"
    )
    assert answers.count("Overloaded") == 30, f"10 of 40 should be served; {answers.count('Overloaded')} were refused"


def test_a_place_is_free_again_when_the_answer_is_finished() -> None:
    async def scenario() -> list[str]:
        slots, reports = Slots(1), Reports()
        return [await read(slots, reports) for _ in range(5)]

    answers = run(scenario)
    assert answers == ["40 bytes"] * 5, f"one after the other fit into one place; they got {answers}"


def test_no_place_is_lost_when_there_is_no_answer() -> None:
    async def scenario(path: str) -> str:
        slots, reports = Slots(1), Reports()
        for _ in range(3):
            await read(slots, reports, path)
        return await read(slots, reports)

    for path in ("/fails", "/defect", "/breaks"):
        answer = run(scenario, path)
        assert answer == "40 bytes", f"after three requests for {path} the only place is lost: the next got {answer}"


def test_no_place_is_lost_when_a_client_leaves() -> None:
    async def scenario(path: str, after: float) -> int:
        slots = Slots(1)
        client = asyncio.create_task(read(slots, Reports(), path))
        await asyncio.sleep(after)
        client.cancel()
        await asyncio.wait([client])
        return slots.in_flight

    for path, after in (("/hangs", 5.0), ("/", 0.0), ("/", 3.5)):
        lost = run(scenario, path, after)
        assert lost == 0, f"a client asked for {path} and left after {after} s: {lost} places are taken for ever"


def test_a_place_is_given_back_once() -> None:
    async def scenario() -> int:
        slots = Slots(5)
        handler = chain([slots], Reports())
        kept = await handler(Request("GET", "/"), RequestContext())
        for _ in range(4):
            thrown_away = await handler(Request("GET", "/"), RequestContext())
            await thrown_away.close()
            await thrown_away.close()
        in_flight = slots.in_flight
        await kept.close()
        return in_flight

    counted = run(scenario)
    assert counted == 1, (
        f"five answers, four thrown away, each closed twice: one is in flight, and {counted} are counted"
    )


def test_the_count_is_right_whatever_happens() -> None:
    async def scenario() -> None:
        random, slots, reports = Random(17), Slots(6), Reports()
        handler, held = chain([slots], reports), list[Response]()
        for step in range(800):
            if random.random() < 0.55:
                path = random.choice(["/", "/", "/breaks", "/fails", "/defect"])
                with suppress(GatewayError, ZeroDivisionError):
                    held.append(await handler(Request("GET", path), RequestContext()))
            elif held:
                response = held.pop(random.randrange(len(held)))
                if random.random() < 0.5:
                    await response.close()
                else:
                    await asyncio.gather(response.read(), return_exceptions=True)
            assert slots.in_flight == len(held) <= 6, (
                f"step {step}: {len(held)} answers are not closed yet, {slots.in_flight} are counted"
            )
        for response in held:
            await response.close()

    run(scenario)
