"""Conformance of the cache, from socket to socket: many at once ask the origin once, and nobody waits in vain."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from tests.support.cache_cases import Rig, asked
from tests.support.cache_origin import Answer, Fields
from tests.support.raw_client import RawClient, RawResponse, connect

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOUR = "cache-control: max-age=3600"
SECOND = "cache-control: max-age=60\nage: 59"
"""Fresh for a second after it has come."""
CROWD = 25
STORM = 1000 if resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 3000 else 300
"""As many connections as this process may open."""


class Crowd:
    """Clients with a connection each, who ask at the same time."""

    def __init__(self, stack: AsyncExitStack, clients: Sequence[RawClient]) -> None:
        self._stack = stack
        self._clients = clients
        self._asking: asyncio.Future[list[RawResponse]] | None = None

    def ask(self, path: str, fields: Sequence[Fields] = (), method: str = "GET") -> None:
        """`fields` go round."""
        rounds = [fields[number % len(fields)] if fields else () for number in range(len(self._clients))]
        requests = [
            asked(client, path, own, method, seconds=20.0) for client, own in zip(self._clients, rounds, strict=True)
        ]
        self._asking = asyncio.gather(*requests)

    async def answers(self) -> list[RawResponse]:
        assert self._asking is not None
        return await self._asking


@pytest_asyncio.fixture(loop_scope="session")
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def crowd(rig: Rig, stack: AsyncExitStack, size: int = CROWD) -> Crowd:
    clients = [await stack.enter_async_context(connect(rig.port)) for _ in range(size)]
    return Crowd(stack, clients)


async def test_two_at_once_ask_once(rig: Rig, stack: AsyncExitStack) -> None:
    script = rig.origin.plays("two", Answer(HOUR, held=True))
    two = await crowd(rig, stack, 2)
    two.ask("two")
    await rig.until_in_flight(2)
    script.release.set()
    answers = await two.answers()
    assert [answer.body for answer in answers] == [b"two 0"] * 2
    assert sum("collapsed" in (answer.header("cache-status") or "") for answer in answers) == 1
    assert len(script.received) == 1


@pytest.mark.parametrize("validator", ["x: y", 'etag: "a"'], ids=["fetched", "validated"])
async def test_a_storm_at_the_instant_of_expiry_is_one_request(rig: Rig, stack: AsyncExitStack, validator: str) -> None:
    name = f"storm-{validator[:1]}"
    script = rig.origin.plays(name, Answer(f"{SECOND}\n{validator}"), Answer(f"{HOUR}\n{validator}", held=True))
    storm = await crowd(rig, stack, STORM)
    async with connect(rig.port) as client:
        await asked(client, name)
    await asyncio.sleep(1.1)
    storm.ask(name)
    await rig.until_in_flight(STORM)
    script.release.set()
    answers = await storm.answers()
    assert {(answer.status, answer.cut) for answer in answers} == {(200, False)}
    assert {answer.body for answer in answers} == {f"{name} {1 if validator == 'x: y' else 0}".encode()}
    assert len(script.received) == 2


async def test_a_body_on_its_way_is_shared_whole(rig: Rig, stack: AsyncExitStack) -> None:
    body = bytes(range(256)) * 1000
    script = rig.origin.plays("way", Answer(HOUR, body=body, held_in_body=True, framing="chunked"))
    many = await crowd(rig, stack)
    many.ask("way")
    await rig.until_in_flight(CROWD)
    script.release.set()
    assert {answer.body for answer in await many.answers()} == {body}
    assert len(script.received) == 1


@pytest.mark.parametrize(
    "lines",
    [
        "cache-control: no-store",
        "cache-control: private, max-age=60",
        f"{HOUR}\nset-cookie: a=b",
        f"{HOUR}\nvary: *",
        'cache-control: no-cache\netag: "a"',
        "cache-control: max-age=0",
        "x: y",
    ],
    ids=["no-store", "private", "set-cookie", "vary-star", "no-cache", "max-age-0", "silent"],
)
async def test_what_cannot_be_shared_lets_all_go_at_once(rig: Rig, stack: AsyncExitStack, lines: str) -> None:
    name = f"alone-{abs(hash(lines))}"
    script = rig.origin.plays(name, Answer(lines, held=True))
    many = await crowd(rig, stack)
    many.ask(name)
    await script.until(1)
    await rig.until_in_flight(CROWD)
    script.release.set()  # the first only: who comes later finds it clear again
    script.release.clear()
    await script.until(CROWD)
    script.release.set()
    assert len({answer.body for answer in await many.answers()}) == CROWD
    assert len(script.received) == CROWD
    script.release.clear()
    many.ask(name)  # and now nobody waits for a first one
    await script.until(2 * CROWD)
    script.release.set()
    await many.answers()


@pytest.mark.parametrize(
    ("method", "line"),
    [
        ("GET", ("authorization", "Bearer a")),
        ("GET", ("cache-control", "no-cache")),
        ("GET", ("cache-control", "max-age=9")),
        ("GET", ("range", "bytes=0-1")),
        ("GET", ("if-none-match", '"z"')),
        ("HEAD", ("x", "y")),
        ("POST", ("x", "y")),
    ],
)
async def test_who_may_not_share_does_not_wait(
    rig: Rig, stack: AsyncExitStack, method: str, line: tuple[str, str]
) -> None:
    name = f"own-{method}-{line[0]}-{len(line[1])}"
    script = rig.origin.plays(name, Answer(HOUR, held=True))
    many = await crowd(rig, stack)
    many.ask(name, [[line]], method)
    await script.until(CROWD)
    script.release.set()
    await many.answers()
    assert len(script.received) == CROWD


async def test_variants_at_once_stay_apart(rig: Rig, stack: AsyncExitStack) -> None:
    script = rig.origin.plays("apart", Answer(f"{HOUR}\nvary: foo", held=True))
    many = await crowd(rig, stack)
    values = [str(number % 5) for number in range(CROWD)]
    many.ask("apart", [[("foo", value)] for value in values])
    await rig.until_in_flight(CROWD)
    script.release.set()
    answers = await many.answers()
    asked_with = {request.text: request.field("foo") for request in script.received}
    assert [asked_with[answer.body] for answer in answers] == values
    assert len(script.received) == 5


async def test_each_client_gets_the_answer_to_its_own_condition(rig: Rig, stack: AsyncExitStack) -> None:
    script = rig.origin.plays("conditions", Answer(f'{SECOND}\netag: "a"'), Answer(f'{HOUR}\netag: "a"', held=True))
    many = await crowd(rig, stack, 20)
    async with connect(rig.port) as client:
        await asked(client, "conditions")
    await asyncio.sleep(1.1)
    many.ask("conditions", [[("if-none-match", '"a"')], [("if-none-match", '"b"')], [("range", "bytes=0-2")], []])
    await rig.until_in_flight(20)
    script.release.set()
    answers = await many.answers()
    assert [answer.status for answer in answers][:2] == [304, 200]
    assert {answer.status for answer in answers[0::4]} == {304}
    assert {(answer.status, answer.body) for answer in answers[1::4] + answers[3::4]} == {(200, b"conditions 0")}
    assert {(answer.status, answer.body) for answer in answers[2::4]} == {(206, b"con")}
    assert len(script.received) <= 2 + 5  # those who want a part ask for themselves


async def test_the_first_one_leaves_before_the_answer(rig: Rig, stack: AsyncExitStack) -> None:
    script = rig.origin.plays("leaves", Answer(HOUR, held=True))
    many = await crowd(rig, stack)
    async with connect(rig.port) as first:
        first.send(b"GET /leaves HTTP/1.1\r\nhost: shop.example\r\n\r\n")
        await script.until(1)
        many.ask("leaves")
        await rig.until_in_flight(CROWD + 1)
    await script.until(2)
    script.release.set()
    assert {answer.body for answer in await many.answers()} == {b"leaves 1"}
    assert len(script.received) == 2


@pytest.mark.parametrize("failure", [Answer("", 503), Answer(dies=True)], ids=["503", "dies"])
async def test_the_first_one_finds_a_failing_origin(rig: Rig, stack: AsyncExitStack, failure: Answer) -> None:
    name = f"failing-{failure.status}"
    held = Answer(failure.lines, failure.status, held=True, dies=failure.dies)
    script = rig.origin.plays(name, held, failure)
    many = await crowd(rig, stack)
    many.ask(name)
    await rig.until_in_flight(CROWD)
    script.release.set()
    answers = await many.answers()
    assert {answer.status for answer in answers} <= {502, 503, 504}
    async with connect(rig.port) as client:
        assert (await asked(client, name)).status in (502, 503)


async def test_a_change_while_an_answer_is_on_its_way_keeps_it_out(rig: Rig) -> None:
    script = rig.origin.plays("change", Answer(HOUR, held=True), Answer(""), Answer(HOUR))
    async with connect(rig.port) as reader, connect(rig.port) as writer:
        reading = asyncio.create_task(asked(reader, "change"))
        await script.until(1)
        assert (await asked(writer, "change", method="POST", body=b"x")).status == 200
        script.release.set()
        assert (await reading).body == b"change 0"
        assert (await asked(writer, "change")).body == b"change 2"
        assert (await asked(reader, "change")).body == b"change 2"


async def test_a_slow_answer_is_as_old_as_it_took(rig: Rig) -> None:
    script = rig.origin.plays("slow", Answer("cache-control: max-age=60\nage: 59", held=True), Answer(HOUR))
    async with connect(rig.port) as client:
        first = asyncio.create_task(asked(client, "slow"))
        await script.until(1)
        await asyncio.sleep(1.1)
        script.release.set()
        await first
        assert (await asked(client, "slow")).body == b"slow 1"
