"""Outages: what they cost a request, and that they end by themselves."""

from __future__ import annotations

import asyncio
import logging

import pytest

from api_gateway.caching.cache_store import StoreUnavailable
from api_gateway.caching.redis import RedisCacheStore
from tests.support.sockets import refused_port
from tests.support.stored_responses import stored
from tests.support.valkey import Valkey, until, valkey


async def test_killed_and_started_again_it_is_used_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "api_gateway.caching")
    with valkey() as server:
        server.protect("hunter2")
        store = RedisCacheStore(server.url, timeout=5.0)
        await store.put("key", stored(b"body"), 100)
        assert store.server.reachable
        server.kill()
        await until(lambda: not store.server.reachable)
        started = asyncio.get_running_loop().time()
        for _ in range(200):
            for asking in (store.get("key"), store.put("key", stored(), 10), store.delete("key")):
                with pytest.raises(StoreUnavailable):
                    await asking
        assert asyncio.get_running_loop().time() - started < 2.0, "nobody waits for it"
        assert (store.server.outages, store.server.unavailable) == (1, 600)
        await server.start()
        server.protect("hunter2")
        await until(lambda: store.server.reachable)
        assert list(await store.get("key")) == []
        await store.put("key", stored(b"new"), 100)
        assert [kept.body for kept in await store.get("key")] == [b"new"]
        await store.close()
    down, back = (record.getMessage() for record in caplog.records if record.name == "api_gateway.caching")
    assert down.startswith(f"cache store redis://127.0.0.1:{server.port}/0: out of reach")
    assert back == f"cache store redis://127.0.0.1:{server.port}/0: back"
    assert "hunter2" not in caplog.text


async def test_one_that_is_not_there_is_said_without_its_password() -> None:
    store = RedisCacheStore(f"redis://:hunter2@127.0.0.1:{refused_port()}")
    with pytest.raises(StoreUnavailable, match=r"cache store redis://127\.0\.0\.1:\d+/0: Error") as error:
        await store.get("key")
    assert "hunter2" not in str(error.value)
    assert (store.server.reachable, store.server.outages) == (False, 1)
    await store.close()


async def test_one_that_stops_answering_costs_one_timeout_and_then_none(server: Valkey) -> None:
    store = RedisCacheStore(server.url, timeout=0.1)
    await store.get("key")
    loop = asyncio.get_running_loop()
    with server.frozen():
        started = loop.time()
        results = await asyncio.gather(*(store.get("key") for _ in range(10)), return_exceptions=True)
        assert {type(result) for result in results} == {StoreUnavailable}
        assert 0.09 < loop.time() - started < 1.0
        await until(lambda: not store.server.reachable)
        started = loop.time()
        with pytest.raises(StoreUnavailable):
            await store.get("key")
        assert loop.time() - started < 0.08
    await until(lambda: store.server.reachable)
    assert list(await store.get("key")) == []
    await store.close()


async def test_a_server_without_memory_is_out_of_reach_and_not_merely_unwilling() -> None:
    with valkey() as server:
        store = RedisCacheStore(server.url, timeout=5.0)
        await store.get("key")
        server.command("CONFIG", "SET", "maxmemory", 1)
        with pytest.raises(StoreUnavailable, match="maxmemory") as error:
            await store.put("key", stored(), 10)
        assert type(error.value) is StoreUnavailable
        server.command("CONFIG", "SET", "maxmemory", 0)
        await until(lambda: store.server.reachable)
        await store.put("key", stored(b"body"), 10)
        assert len(await store.get("key")) == 1
        await store.close()


async def test_a_server_of_answers_makes_room_for_new_ones_by_itself() -> None:
    with valkey(maxmemory="8mb", **{"maxmemory-policy": "allkeys-lfu"}) as server:
        store = RedisCacheStore(server.url, timeout=5.0)
        for number in range(40):
            await store.put(f"key {number}", stored(bytes(500_000), (), ("tag",)), 100)
        assert len(await store.get("key 39")) == 1
        assert await store.purge_tag("tag") < 40
        await store.close()


async def test_closed_it_is_out_of_reach_for_good(server: Valkey) -> None:
    unused, used = RedisCacheStore(server.url), RedisCacheStore(server.url, timeout=5.0)
    await used.put("key", stored(), 10)
    for store in (unused, used):
        await store.close()
        await store.close()
        with pytest.raises(StoreUnavailable, match="closed"):
            await store.get("key")
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_closing_lets_what_is_under_way_end(server: Valkey) -> None:
    store = RedisCacheStore(server.url, timeout=5.0)
    await store.get("key")
    puts = [asyncio.create_task(store.put(str(number), stored(), 100)) for number in range(50)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*puts)
    assert len(server.stored()) == 50


def test_another_event_loop_is_told_so(server: Valkey) -> None:
    store = RedisCacheStore(server.url, timeout=5.0)
    with asyncio.Runner() as first:
        first.run(store.put("key", stored(), 10))
        with asyncio.Runner() as second, pytest.raises(RuntimeError, match="cache store was first used in another"):
            second.run(store.get("key"))
        with asyncio.Runner() as second, pytest.raises(RuntimeError, match="another event loop"):
            second.run(store.close())
        assert len(first.run(store.get("key"))) == 1
        first.run(store.close())
