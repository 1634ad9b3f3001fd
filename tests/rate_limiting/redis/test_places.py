"""What is held in the shared store, and who gives it back when things go wrong."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from api_gateway.rate_limiting.limit_store import Ask, Grant, Limit
from api_gateway.rate_limiting.redis import RedisStore
from tests.support.valkey import Valkey, until, valkey

LIMIT = Limit("at once", "concurrency", 3)
RATE = Limit("rate", "gcra", 100, 60.0)
ASK = [Ask(LIMIT, "key")]
KEY = "{api-gateway}:1:concurrency::at%20once:key"


def taken(server: Valkey) -> int:
    return int(server.command("ZCARD", KEY))


async def settled(store: RedisStore) -> None:
    """What was said to the server before this has been done."""
    await store.acquire([Ask(RATE, "key", 0)], 0)


def release_of(grant: Grant) -> Callable[[], None]:
    assert grant.decision.allowed
    assert grant.release is not None
    return grant.release


async def test_gateways_share_the_places(server: Valkey) -> None:
    async with (
        RedisStore(server.url, [LIMIT], timeout=20.0) as one,
        RedisStore(server.url, [LIMIT], timeout=20.0) as other,
    ):
        grants = [await store.acquire(ASK, 0) for store in (one, other, one)]
        assert [grant.decision.remaining for grant in grants] == [2, 1, 0]
        refused = await other.acquire(ASK, 0)
        assert (refused.decision.allowed, refused.decision.retry_after, refused.release) == (False, 0, None)
        release_of(grants[0])()
        assert (await one.acquire(ASK, 0)).decision.allowed


async def test_to_release_twice_is_to_release_once(server: Valkey) -> None:
    async with RedisStore(server.url, [LIMIT, RATE], timeout=20.0) as store:
        first, second = [release_of(await store.acquire([Ask(LIMIT, "key", cost)], 0)) for cost in (2, 1)]
        first()
        first()
        await settled(store)
        assert taken(server) == 1
        second()
        await settled(store)
        assert server.command("EXISTS", KEY) == 0


async def test_a_request_refused_by_another_limit_holds_nothing(server: Valkey) -> None:
    none_left = Limit("none left", "fixed_window", 1, 3600.0)
    async with RedisStore(server.url, [LIMIT, none_left], timeout=20.0) as store:
        both = [Ask(LIMIT, "key"), Ask(none_left, "key")]
        release_of(await store.acquire(both, 0))()
        assert (await store.acquire(both, 0)).release is None
        assert taken(server) == 0


async def test_a_cancelled_caller_gives_back_what_it_may_have_been_given(server: Valkey) -> None:
    async with RedisStore(server.url, [LIMIT, RATE], timeout=20.0) as store:
        for known in (False, True):  # whether the server knows the script
            await settled(store)
            tasks = [asyncio.create_task(store.acquire(ASK, 0)) for _ in range(3)]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await settled(store)
            await settled(store)
            assert taken(server) == 0, known
            release_of(await store.acquire(ASK, 0))()


def ends(server: Valkey) -> float:
    """Until when the one place is leased, in microseconds of the server's clock."""
    ((_, score),) = zip(*[iter(server.command("ZRANGE", KEY, 0, -1, "WITHSCORES"))] * 2, strict=True)
    return float(score)


async def test_a_place_is_renewed_for_as_long_as_it_is_held(server: Valkey) -> None:
    async with RedisStore(server.url, [LIMIT, RATE], place_lease=1.5, timeout=20.0) as store:
        release = release_of(await store.acquire(ASK, 0))
        first = ends(server)
        await until(lambda: ends(server) >= first + 600_000)
        assert taken(server) == 1
        assert 0 < server.command("PTTL", KEY) <= 1502
        release()
        await settled(store)
        assert taken(server) == 0


DIES = """
import asyncio, sys
from api_gateway.rate_limiting.limit_store import Ask, Limit
from api_gateway.rate_limiting.redis import RedisStore

async def main(url):
    limit = Limit("at once", "concurrency", 3)
    store = RedisStore(url, [limit], place_lease=0.5)
    grant = await store.acquire([Ask(limit, "key", 3)], 0)
    print(grant.decision.allowed, flush=True)
    await asyncio.Event().wait()

asyncio.run(main(sys.argv[1]))
"""


async def test_a_gateway_that_dies_keeps_its_places_for_a_lease_and_no_longer(server: Valkey) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DIES, server.url, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"True\n"
    async with RedisStore(server.url, [LIMIT], timeout=20.0) as store:
        assert not (await store.acquire(ASK, 0)).decision.allowed
        process.kill()
        await process.communicate()
        died = asyncio.get_running_loop().time()
        async with asyncio.timeout(10.0):
            while not (await store.acquire(ASK, 0)).decision.allowed:
                pass
        assert asyncio.get_running_loop().time() - died < 1.5


async def test_a_server_that_comes_back_empty_is_told_who_is_in() -> None:
    with valkey() as server:
        async with RedisStore(server.url, [LIMIT, RATE], timeout=20.0) as store:
            releases = [release_of(await store.acquire(ASK, 0)) for _ in range(3)]
            server.kill()
            await until(lambda: not store.reachable)
            releases[0]()
            await server.start()
            await until(lambda: store.reachable)
            await settled(store)
            assert taken(server) == 2
            assert [(await store.acquire(ASK, 0)).decision.allowed for _ in range(2)] == [True, False]


async def test_what_is_released_without_a_link_is_given_back_with_the_next(server: Valkey) -> None:
    async with RedisStore(server.url, [LIMIT, RATE], timeout=20.0) as store:
        kept, released = [release_of(await store.acquire(ASK, 0)) for _ in range(2)]
        with server.frozen():
            link = store._uplink.link
            assert link is not None
            link.lose("the cable is cut")
            released()
        assert taken(server) == 2, "nobody could tell"
        await until(lambda: store.reachable)
        await settled(store)
        assert taken(server) == 1
        kept()


async def test_what_was_asked_when_the_link_broke_is_not_held_for_ever(server: Valkey) -> None:
    async with RedisStore(server.url, [LIMIT, RATE], timeout=0.1) as store:
        await settled(store)
        release_of(await store.acquire(ASK, 0))()
        with server.frozen():
            assert (await store.acquire(ASK, 0)).degraded == "admit"
        await until(lambda: store.reachable)
        await until(lambda: taken(server) == 0)


async def test_closing_gives_back_what_is_held(server: Valkey) -> None:
    store = RedisStore(server.url, [LIMIT], timeout=20.0)
    release = release_of(await store.acquire(ASK, 0))
    await store.close()
    assert taken(server) == 0
    release()


async def test_hundreds_of_places_are_renewed_in_few_commands(server: Valkey) -> None:
    many = Limit("many", "concurrency", 5000)
    async with RedisStore(server.url, [many, RATE], place_lease=1.5, timeout=20.0) as store:
        grants = [await store.acquire([Ask(many, key, 600)], 0) for key in ("a", "b")]
        server.command("CONFIG", "RESETSTAT")
        await until(lambda: "cmdstat_zadd" in server.command("INFO", "commandstats"))
        await settled(store)
        assert server.command("INFO", "commandstats")["cmdstat_zadd"]["calls"] % 1200 == 0
        for grant in grants:
            release_of(grant)()
        await settled(store)
        assert not any("many" in key for key in server.stored())
