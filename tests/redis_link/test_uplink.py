"""Out of reach and back: what is logged, who waits, and how long."""

from __future__ import annotations

import asyncio
import logging

import pytest

from api_gateway.rate_limiting.limit_store import Ask, Limit
from api_gateway.rate_limiting.redis import RedisStore, StoreFailed
from api_gateway.redis_link.connecting import ServerAddress
from api_gateway.redis_link.link import Link
from api_gateway.redis_link.uplink import LONGEST_WAIT, Uplink
from tests.support.sockets import full_backlog, refused_port
from tests.support.valkey import Valkey, until, valkey

LIMIT = Limit("limit", "gcra", 1000, 60.0)
ASK = [Ask(LIMIT, "key")]


def uplink(url: str, timeout: float = 5.0) -> tuple[Uplink, list[Link]]:
    ups: list[Link] = []
    made = Uplink(
        ServerAddress(url),
        probe_key="{t}:probe",
        timeout=timeout,
        on_up=ups.append,
        name="limit store",
        meanwhile="people wait",
        log=logging.getLogger("api_gateway.rate_limiting"),
    )
    return made, ups


async def test_the_first_link_is_waited_for_and_the_same_for_all(server: Valkey) -> None:
    line, ups = uplink(server.url)
    line.check()
    links = await asyncio.gather(*(line.first_link() for _ in range(10)))
    assert links == [line.link] * 10 == [ups[0]] * 10
    await line.close()
    assert line.link is None
    assert line.outages == 0


async def test_going_down_and_coming_back_is_one_line_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "api_gateway.rate_limiting")
    with valkey() as server:
        server.protect("hunter2")
        line, ups = uplink(server.url)
        line.check()
        await line.first_link()
        server.kill()
        await until(lambda: line.why_down != "")
        port = f"127.0.0.1:{server.port}"
        assert await line.first_link() is None, "nobody waits while it is down"
        assert line.outages == 1
        await server.start()
        server.protect("hunter2")
        await until(lambda: line.link is not None)
        assert len(ups) == 2
        assert line.why_down == ""
        await line.close()
    down, back = (record for record in caplog.records if record.name == "api_gateway.rate_limiting")
    assert down.levelno == logging.WARNING
    assert f"redis://{port}/0: out of reach" in down.getMessage()
    assert "until it is back, people wait" in down.getMessage()
    assert (back.levelno, back.getMessage()) == (logging.INFO, f"limit store redis://{port}/0: back")
    assert "hunter2" not in caplog.text


async def test_one_that_is_never_there_is_tried_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    enough = asyncio.Event()

    async def no_time_passes(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) > 40:
            enough.set()
            await asyncio.Event().wait()

    monkeypatch.setattr("api_gateway.redis_link.uplink.asyncio.sleep", no_time_passes)
    line, _ = uplink(f"redis://127.0.0.1:{refused_port()}")
    line.check()
    assert await line.first_link() is None
    await enough.wait()
    await line.close()
    assert 0.025 <= waits[0] <= 0.05
    assert all(wait <= LONGEST_WAIT for wait in waits)
    assert all(wait >= LONGEST_WAIT / 2 for wait in waits[5:])
    assert len(set(waits)) == len(waits), "gateways that lost it together do not return together"
    assert line.outages == 1


async def test_a_first_connecting_that_hangs_holds_a_request_for_its_timeout_and_no_other() -> None:
    with full_backlog() as port:
        if port is None:
            pytest.skip("this system lets every connection wait in line")
        async with RedisStore(f"redis://127.0.0.1:{port}", [LIMIT], timeout=0.1) as store:
            started = asyncio.get_running_loop().time()
            grants = await asyncio.gather(*(store.acquire(ASK, 0) for _ in range(5)))
            waited = asyncio.get_running_loop().time() - started
            assert {grant.degraded for grant in grants} == {"admit"}
            assert 0.09 < waited < 1.0
            started = asyncio.get_running_loop().time()
            await store.acquire(ASK, 0)
            assert asyncio.get_running_loop().time() - started < 0.05
            assert (store.outages, store.degraded, store.reachable) == (1, 6, False)


async def test_it_says_so_when_a_start_up_asks() -> None:
    port = refused_port()
    async with RedisStore(f"redis://:hunter2@127.0.0.1:{port}", [LIMIT]) as store:
        with pytest.raises(
            StoreFailed, match=rf"limit store redis://127\.0\.0\.1:{port}/0: Error .* connecting"
        ) as error:
            await store.connect()
        assert "hunter2" not in str(error.value)


def test_another_event_loop_is_told_so(server: Valkey) -> None:
    store = RedisStore(server.url, [LIMIT])
    with asyncio.Runner() as first:
        assert first.run(store.acquire(ASK, 0)).decision.allowed
        with asyncio.Runner() as second, pytest.raises(RuntimeError, match="another event loop"):
            second.run(store.acquire(ASK, 0))
        with asyncio.Runner() as second, pytest.raises(RuntimeError, match="another event loop"):
            second.run(store.close())
        assert first.run(store.acquire(ASK, 0)).decision.remaining == 998
        first.run(store.close())


def test_a_loop_that_ends_without_closing_leaves_nothing_open(server: Valkey) -> None:
    store = RedisStore(server.url, [LIMIT])
    asyncio.run(store.connect())
    with pytest.raises(RuntimeError, match="another event loop"):
        asyncio.run(store.acquire(ASK, 0))


async def test_closing_is_clean_whenever_it_comes(server: Valkey) -> None:
    unused = RedisStore(server.url, [LIMIT])
    await unused.close()
    await unused.close()
    with pytest.raises(RuntimeError, match="is closed"):
        await unused.acquire(ASK, 0)
    connecting = RedisStore(server.url, [LIMIT])
    waiting = asyncio.create_task(connecting.acquire(ASK, 0))
    await asyncio.sleep(0)
    await connecting.close()
    assert (await waiting).degraded == "admit"
    busy = RedisStore(server.url, [LIMIT])
    await busy.connect()
    under_way = [asyncio.create_task(busy.acquire(ASK, 0)) for _ in range(50)]
    await asyncio.sleep(0)
    await busy.close()
    assert {(await task).degraded for task in under_way} == {""}, "what was under way had its answer"
    await busy.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_closing_while_it_is_down_does_not_wait() -> None:
    store = RedisStore(f"redis://127.0.0.1:{refused_port()}", [LIMIT])
    await store.acquire(ASK, 0)
    async with asyncio.timeout(0.5):
        await store.close()
