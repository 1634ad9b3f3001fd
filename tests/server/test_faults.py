"""Faults of a service, on real sockets: what the client sees, how soon, and that nothing is left behind.

The first table is the specification: DESIGN.md's early exits, for each fault that a network or a
service can have.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from random import Random

import pytest

from api_gateway.middleware.deadline import DeadlineMiddleware
from api_gateway.transport.transport import Timeouts
from tests.support.fault_proxy import Cut, Delay, Fault, Garbage, HalfOpen, Hang, Lie, Refuse, SlowReader, Trickle
from tests.support.fault_rig import EXCHANGES, PATIENT, SHORT, fault_rig
from tests.support.gateway_server import on_both_loops, proxying, serve, until
from tests.support.leaks import Holdings, settled
from tests.support.raw_client import RawResponse, connect
from tests.support.sockets import full_backlog

MARGIN = 0.75
"""Seconds beyond the stated time that a busy machine may take."""

COUNTED = ("GET", "POST")
GETS = ("GET", "GET streamed")
SMALL = ("GET", "GET streamed", "POST")
UNANSWERED = ("GET", "POST", "POST large")
"""Without a head, nobody knows whether the answer would have streamed."""
EARLY = 0.02
"""Seconds by which clocks may differ: the gateway's timers start a little before or after ours."""
AT_ONCE = 0.0
SWITCHES = 25
REQUEST, IDLE = SHORT.request, SHORT.idle


@dataclass(frozen=True)
class Row:
    """A fault, and what the client sees of it."""

    fault: Fault
    sees: str
    """A status and the flag in the log; `cut` for a 200 that breaks off; `whole` for one that does not."""
    within: float = AT_ONCE
    """Seconds; where they are not zero, it must not be sooner either."""
    exchanges: tuple[str, ...] = SMALL
    timeouts: Timeouts = PATIENT


TABLE = [
    Row(Refuse(), "502 UF", exchanges=UNANSWERED),
    Row(Cut("connect", "reset"), "502 UC", exchanges=COUNTED),
    Row(Cut("connect", "close"), "502 UC", exchanges=COUNTED),
    Row(Cut("request", "reset"), "502 UC", exchanges=UNANSWERED),
    Row(Cut("request", "close"), "502 UC", exchanges=COUNTED),
    Row(Cut("head", "reset"), "502 UC"),
    Row(Cut("head", "close"), "502 UC"),
    Row(Cut("body", "reset"), "cut"),
    Row(Cut("body", "close"), "cut"),
    Row(Hang(), "504 UT", REQUEST, UNANSWERED, SHORT),
    Row(HalfOpen(), "504 UT", REQUEST, COUNTED, SHORT),
    Row(HalfOpen(), "504 UT", IDLE, ("POST large",), SHORT),
    Row(SlowReader(), "504 UT", REQUEST, ("POST",), SHORT),
    Row(SlowReader(), "504 UT", IDLE, ("POST large",), SHORT),
    Row(Delay(0.05), "whole", 0.05),
    Row(Delay(REQUEST * 5), "504 UT", REQUEST, COUNTED, SHORT),
    Row(Trickle(1, REQUEST / 10), "504 UT", REQUEST, GETS, SHORT),
    Row(Trickle(1000, 0.02, "body"), "whole", 0.02, GETS),
    Row(Trickle(1, IDLE * 5, "body"), "cut", IDLE, GETS, SHORT),
    Row(Lie(+5), "cut", IDLE, COUNTED, SHORT),
    Row(Lie(-5), "short", exchanges=COUNTED),
    Row(Garbage("head"), "502 UPE"),
    Row(Garbage("body", after=0.05), "cut", 0.05, ("GET streamed",)),
]

CASES = [
    pytest.param(row, exchange, id=f"{exchange}, {row.fault}: {row.sees} within {row.within:g} s")
    for row in TABLE
    for exchange in row.exchanges
]


@pytest.mark.parametrize(("row", "exchange"), CASES)
@on_both_loops
async def test_a_fault_shows_as_stated_and_leaves_nothing_behind(row: Row, exchange: str) -> None:
    async with fault_rig(timeouts=row.timeouts) as rig:
        await rig.works(exchange)
        before = await rig.holdings()
        await rig.proxy.switch(row.fault)
        over_a_kept_connection_and_a_new_one = await asyncio.gather(rig.ask(exchange), rig.ask(exchange))
        for (response, seconds), flag in zip(over_a_kept_connection_and_a_new_one, rig.witness.flags[-2:], strict=True):
            assert _seen(response, exchange, flag) == row.sees
            assert row.within - EARLY <= seconds <= row.within + MARGIN
        await settled(rig.gateway)
        await rig.proxy.switch(Fault())
        await rig.works(exchange)
        await rig.nothing_left_since(before, kept=1)
        assert (rig.pool.active, rig.endpoint.in_flight) == (0, 0)


def _seen(response: RawResponse, exchange: str, flag: str) -> str:
    answer = EXCHANGES[exchange].answer
    if response.status != 200:
        assert response.header("content-type") == "application/problem+json"
        assert not response.cut
        return f"{response.status} {flag}"
    if response.cut:
        assert answer.startswith(response.body)
        return "cut"
    return {answer: "whole", answer[:-5]: "short"}.get(response.body, "neither whole nor cut")


@on_both_loops
async def test_a_service_that_takes_no_connection_is_504_within_the_connect_timeout() -> None:
    with full_backlog() as port:
        if port is None:
            pytest.skip("this system takes connections that nobody accepts")
        gateway = proxying(f"http://127.0.0.1:{port}", timeouts=Timeouts(connect=0.15, request=10.0, idle=10.0))
        async with serve(gateway) as server, connect(server.port) as client:
            before = Holdings.now()
            started = time.perf_counter()
            client.send(EXCHANGES["GET"].request)
            response = await client.response()
            assert 0.15 - EARLY <= time.perf_counter() - started <= 0.15 + MARGIN
            assert (response.status, response.json()["code"]) == (504, "upstream-connect-timeout")
            await settled(gateway)
            await before.again()


@on_both_loops
async def test_a_trickle_that_no_timeout_ends_is_ended_by_the_deadline() -> None:
    exchange = "GET streamed"
    async with fault_rig(DeadlineMiddleware(0.2)) as rig:
        await rig.works(exchange)
        before = await rig.holdings()
        await rig.proxy.switch(Trickle(1, 0.01, "body"))
        response, seconds = await rig.ask(exchange)
        assert _seen(response, exchange, rig.witness.flags[-1]) == "cut"
        assert 0.2 - EARLY <= seconds <= 0.2 + MARGIN
        await rig.proxy.switch(Fault())
        await rig.works(exchange)
        await rig.nothing_left_since(before, kept=1)


@pytest.mark.parametrize(
    ("fault", "exchange", "timeouts"),
    [
        pytest.param(Hang(), "GET", PATIENT, id="waiting for the head"),
        pytest.param(Trickle(1, 0.01, "body"), "GET streamed", PATIENT, id="in the body"),
        # Who is not read from, as the service takes no more, cannot be seen to leave: the idle timeout ends it.
        pytest.param(HalfOpen(), "POST large", SHORT, id="in the upload"),
    ],
)
@on_both_loops
async def test_a_client_that_leaves_during_a_fault_takes_everything_with_it(
    fault: Fault, exchange: str, timeouts: Timeouts
) -> None:
    async with fault_rig(timeouts=timeouts) as rig:
        await rig.works("GET")
        before = await rig.holdings()
        await rig.proxy.switch(fault)
        leaving = [asyncio.create_task(rig.ask(exchange)) for _ in range(5)]
        await until(lambda: rig.endpoint.in_flight == 5)
        for task in leaving:
            task.cancel()
        await asyncio.wait(leaving)
        await settled(rig.gateway)
        await rig.proxy.switch(Fault())
        await rig.works("GET")
        await rig.nothing_left_since(before, kept=1)


FAULTS = [Fault(), Refuse(), Hang(), HalfOpen(), SlowReader(), Delay(0.01), Trickle(700, 0.005), Garbage("head")] + [
    Cut(where, how) for where in ("connect", "request", "head", "body") for how in ("reset", "close")
]
"""Those after which an answer is whole or is none; a `Lie` can make one short."""


@on_both_loops
async def test_faults_that_change_under_load_give_no_false_answer_and_leave_nothing_behind() -> None:
    """Which request meets which fault differs from run to run; what must hold does not."""
    seen: Counter[str] = Counter()

    async def client(random: Random) -> None:
        while len(switched) < SWITCHES:
            exchange = random.choice(SMALL)
            response, _ = await rig.ask(exchange)
            seen[_seen(response, exchange, "")] += 1

    async with fault_rig(timeouts=SHORT) as rig:
        await rig.works("GET")
        before = await rig.holdings()
        switched: list[Fault] = []
        clients = [asyncio.create_task(client(Random(seed))) for seed in range(8)]
        random = Random(8)
        while len(switched) < SWITCHES:
            switched.append(random.choice(FAULTS))
            await rig.proxy.switch(switched[-1])
            await asyncio.sleep(0.02)
        await asyncio.gather(*clients)
        await rig.proxy.switch(Fault())
        await rig.works("GET")
        await rig.nothing_left_since(before, kept=1)
    assert set(seen) <= {"whole", "cut", "502 ", "504 "}
    assert seen["whole"]
    assert seen["502 "]
