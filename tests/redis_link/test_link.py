"""One connection, many requests: what goes out together, what comes back late, wrong or not at all."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from api_gateway.rate_limiting.limit_store import Ask, Limit
from api_gateway.rate_limiting.redis import RedisStore, StoreFailed
from api_gateway.redis_link.connecting import ServerAddress
from api_gateway.redis_link.link import AT_ONCE, Link
from api_gateway.redis_link.resp import bulks, command
from api_gateway.redis_link.script import Script
from tests.support.valkey import Valkey, valkey

COUNT = Script("return {redis.call('INCR', KEYS[1])}")
FAIL = Script("return redis.error_reply('ERR this one')")
READ_ONLY = Script("return redis.error_reply('READONLY not here')")
KEY = bulks(1, "counted")
HEAD = b"*4\r\n"
LOG = logging.getLogger("api_gateway.link_test")


@asynccontextmanager
async def link_to(
    server: Valkey, timeout: float = 5.0, *, large_replies: bool = False
) -> AsyncIterator[tuple[Link, asyncio.Task[str]]]:
    connection = await ServerAddress(server.url).connect("{t}:probe", 5.0)
    link = Link(connection, timeout, name="store", log=LOG, large_replies=large_replies)
    running = asyncio.create_task(link.run())
    try:
        yield link, running
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_replies_go_to_those_who_asked_in_order(server: Valkey) -> None:
    async with link_to(server) as (link, _):
        answers = await asyncio.gather(*(link.ask(HEAD, COUNT, KEY) for _ in range(100)))
    assert sorted(number for (number,) in answers) == list(range(1, 101))
    assert link.repeated == 100, "nobody had told the server of the script"


async def test_what_is_asked_in_one_tick_goes_out_in_few_writes(server: Valkey) -> None:
    async with link_to(server) as (link, _):
        await link.ask(HEAD, COUNT, KEY)
        server.command("CONFIG", "RESETSTAT")
        await asyncio.gather(*(link.ask(HEAD, COUNT, KEY) for _ in range(AT_ONCE * 4)))
        assert reads(server) <= 4
        server.command("CONFIG", "RESETSTAT")
        for _ in range(10):
            await link.ask(HEAD, COUNT, KEY)
        assert reads(server) >= 10, "to tell that the count counts"


def reads(server: Valkey) -> int:
    """How often the server read from the link: all it read, less what was needed to ask."""
    return int(server.command("INFO", "stats")["total_reads_processed"]) - OWN_READS


OWN_READS = 4
"""Of one `Valkey.command`, which is a connection of its own, the one before which reset the count, and some slack."""


async def test_a_script_that_the_server_forgot_is_brought_again(server: Valkey) -> None:
    async with link_to(server) as (link, _):
        assert await link.ask(HEAD, COUNT, KEY) == [1]
        assert await link.ask(HEAD, COUNT, KEY) == [2]
        assert link.repeated == 1
        server.command("SCRIPT", "FLUSH")
        assert await link.ask(HEAD, COUNT, KEY) == [3]
        assert link.repeated == 2


async def test_an_error_for_one_request_is_that_request_s_alone(
    server: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    async with link_to(server) as (link, _):
        good = link.ask(HEAD, COUNT, KEY)
        bad = [link.ask(HEAD, FAIL, KEY) for _ in range(3)]
        after = link.ask(HEAD, COUNT, KEY)
        for failing in bad:
            with pytest.raises(StoreFailed, match="this one"):
                await failing
        assert [await good, await after] == [[1], [2]]
        assert (link.errors, link.lost) == (3, False)
    assert [record.levelno for record in caplog.records] == [logging.WARNING], "one line, not one for each"


async def test_an_error_that_everybody_would_meet_ends_the_link(server: Valkey) -> None:
    async with link_to(server) as (link, running):
        refused, behind = link.ask(HEAD, READ_ONLY, KEY), link.ask(HEAD, READ_ONLY, KEY)
        for request in (refused, behind):
            with pytest.raises(StoreFailed, match="not here"):
                await request
        assert "not here" in await running
        assert link.errors == 0


async def test_all_that_is_under_way_fails_at_once_when_the_connection_is_lost(server: Valkey) -> None:
    async with link_to(server, timeout=30.0) as (link, running):
        await link.ask(HEAD, COUNT, KEY)
        with server.frozen():
            requests = [link.ask(HEAD, COUNT, KEY) for _ in range(50)]
            await asyncio.sleep(0)
            link.lose("the cable is cut")
            for request in requests:
                with pytest.raises(StoreFailed, match="the cable is cut"):
                    await request
            assert await running == "the cable is cut"
            with pytest.raises(StoreFailed, match="the cable is cut"):
                await link.ask(HEAD, COUNT, KEY)


async def test_the_server_s_end_is_noticed_without_asking_anything() -> None:
    with valkey() as server:
        async with link_to(server, timeout=30.0) as (link, running):
            server.kill()
            async with asyncio.timeout(5.0):
                assert await running
            assert link.lost


async def test_a_server_that_does_not_answer_is_given_up_after_the_timeout(server: Valkey) -> None:
    async with link_to(server, timeout=0.1) as (link, running):
        await link.ask(HEAD, COUNT, KEY)
        with server.frozen():
            started = asyncio.get_running_loop().time()
            requests = [link.ask(HEAD, COUNT, KEY) for _ in range(20)]
            for request in requests:
                with pytest.raises(StoreFailed, match=r"no answer within 0\.1 s"):
                    await request
            assert 0.09 < asyncio.get_running_loop().time() - started < 2.0
            assert await running == "no answer within 0.1 s"


async def test_an_answer_in_time_keeps_the_link_however_long_nothing_is_asked(server: Valkey) -> None:
    async with link_to(server, timeout=0.05) as (link, running):
        for _ in range(4):
            await link.ask(HEAD, COUNT, KEY)
            await asyncio.wait([running], timeout=0.06)
        assert not link.lost


async def test_a_flood_of_cancelled_callers_leaves_the_others_their_answers(server: Valkey) -> None:
    chance = random.Random(11)
    async with link_to(server) as (link, _):

        async def ask() -> int:
            return (await link.ask(HEAD, COUNT, KEY))[0]

        async def ask_and_cancel() -> None:
            task = asyncio.create_task(ask())
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

        seen: list[int] = []
        for _ in range(20):
            staying = [asyncio.create_task(ask()) for _ in range(20)]
            await asyncio.gather(*(ask_and_cancel() for _ in range(100)))
            seen += await asyncio.gather(*staying)
        assert len(set(seen)) == len(seen) == 400
        assert seen == sorted(seen)
        assert not link.lost
        total = (await link.ask(HEAD, COUNT, KEY))[0]
    assert max(seen) < total <= 20 * 120 + 1


async def test_a_store_whose_callers_are_all_cancelled_works_on(server: Valkey) -> None:
    limit = Limit("limit", "fixed_window", 10_000, 3600.0)
    async with RedisStore(server.url, [limit], timeout=20.0) as store:
        await store.connect()
        for _ in range(5):
            tasks = [asyncio.create_task(store.acquire([Ask(limit, "a")], 0)) for _ in range(200)]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        grant = await store.acquire([Ask(limit, "a")], 0)
        assert (grant.decision.allowed, store.degraded, store.outages) == (True, 0, 0)
        assert grant.decision.remaining >= 10_000 - 1001


SLOW = command("BLPOP", "nothing", "0.05")
"""The server answers after so many seconds, and takes nothing else from this connection meanwhile."""


async def test_where_replies_are_large_a_link_lives_as_long_as_it_says_something(server: Valkey) -> None:
    async with link_to(server, timeout=0.2, large_replies=True) as (link, running):
        requests = [link.ask_command(SLOW) for _ in range(8)]
        assert await asyncio.gather(*requests) == [None] * 8
        with server.frozen():
            with pytest.raises(StoreFailed, match=r"no answer within 0\.2 s"):
                await link.ask_command(SLOW)
            assert await running == "no answer within 0.2 s"


async def test_elsewhere_nobody_waits_for_longer_than_the_timeout(server: Valkey) -> None:
    async with link_to(server, timeout=0.2) as (link, running):
        requests = [link.ask_command(SLOW) for _ in range(8)]
        results = await asyncio.gather(*requests, return_exceptions=True)
        assert isinstance(results[-1], StoreFailed)
        assert await running == "no answer within 0.2 s"


async def test_what_the_server_has_not_read_yet_is_counted(server: Valkey) -> None:
    async with link_to(server, timeout=30.0) as (link, _):
        large = command("SET", "large", bytes(10_000_000))
        with server.frozen():
            requests = [link.ask_command(large) for _ in range(3)]
            await asyncio.sleep(0)
            assert link.unsent == 3 * len(large)
        await asyncio.gather(*requests)
        assert link.unsent == 0


async def test_a_reply_is_what_the_command_replies(server: Valkey) -> None:
    async with link_to(server) as (link, _):
        words = [("SET", "a", 1), ("GET", "a"), ("GET", "b"), ("MGET", "a", "b"), ("DEL", "a")]
        replies = await asyncio.gather(*(link.ask_command(command(*each)) for each in words))
    assert replies == [b"OK", b"1", None, [b"1", None], 1]
