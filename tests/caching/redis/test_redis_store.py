"""Answers in a real server: kept, found by all gateways, lapsed, purged; and what is there that nobody of us wrote."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_gateway.caching.cache_store import CacheStore
from api_gateway.caching.redis import RedisCacheStore
from api_gateway.caching.redis.keys import LONGEST_KEY
from api_gateway.caching.redis.redis_store import MOST_UNSENT, MOST_VARIANTS, SOME
from api_gateway.caching.redis.serialisation import packed, variant_id
from api_gateway.caching.stored_response import SelectingFields, StoredResponse
from tests.support.stored_responses import contents, stored, stored_responses
from tests.support.valkey import Valkey, until

ENGLISH: SelectingFields = (("accept-language", ("en",)),)
GERMAN: SelectingFields = (("accept-language", ("de",)),)
ANSWERS = "{api-gateway}:cache:1:answers:"
TAG = "{api-gateway}:cache:1:tag:"


@pytest.fixture
async def store(server: Valkey) -> AsyncIterator[RedisCacheStore]:
    made = RedisCacheStore(server.url, timeout=5.0)
    yield made
    await made.close()


async def bodies(store: CacheStore, key: str) -> list[bytes]:
    return [response.body for response in await store.get(key)]


def lifetime(server: Valkey, key: str) -> float:
    return int(server.command("PTTL", key)) / 1000


async def test_what_was_put_is_got_and_what_was_not_is_not(store: RedisCacheStore) -> None:
    kept = stored(b"body", ENGLISH, ("tag",))
    await store.put("key", kept, 10)
    assert [contents(got) for got in await store.get("key")] == [contents(kept)]
    assert list(await store.get("other")) == []
    assert (store.hits, store.misses, store.unreadable, store.refused) == (1, 1, 0, 0)


async def test_what_is_looked_at_is_what_would_be_got_and_is_not_counted(
    store: RedisCacheStore, server: Valkey
) -> None:
    kept = stored(b"body", ENGLISH, ("tag",))
    await store.put("key", kept, 10)
    server.command("HSET", ANSWERS + "key", "of another", "version")
    assert [contents(seen) for seen in await store.peek("key")] == [contents(kept)]
    assert list(await store.peek("other")) == []
    assert (store.hits, store.misses, store.unreadable) == (0, 0, 0)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.text(max_size=20), stored_responses()), max_size=4))
def test_any_answers_come_back_as_they_were(shared_server: Valkey, puts: list[tuple[str, StoredResponse]]) -> None:
    async def put_and_get() -> None:
        store = RedisCacheStore(shared_server.url, timeout=5.0)
        try:
            await store.purge_prefix("")
            for key, response in puts:
                await store.put(key, response, 100)
            for key in {key for key, _ in puts}:
                latest = {response.selecting: contents(response) for name, response in puts if name == key}
                got = {response.selecting: contents(response) for response in await store.get(key)}
                assert got == latest
        finally:
            await store.close()

    asyncio.run(put_and_get())


async def test_variants_are_side_by_side_and_the_newest_comes_first(store: RedisCacheStore) -> None:
    await store.put("key", stored(b"en", ENGLISH, answered_at=1), 10)
    await store.put("key", stored(b"de", GERMAN, answered_at=3), 10)
    assert await bodies(store, "key") == [b"de", b"en"]
    await store.put("key", stored(b"en 2", ENGLISH, answered_at=5), 10)
    assert await bodies(store, "key") == [b"en 2", b"de"]


async def test_gateways_share(server: Valkey, store: RedisCacheStore) -> None:
    other, stranger = RedisCacheStore(server.url, timeout=5.0), RedisCacheStore(server.url, timeout=5.0, prefix="shop")
    await store.put("key", stored(b"body", (), ("tag",)), 10)
    assert await bodies(other, "key") == [b"body"]
    assert await stranger.purge_prefix("") == await stranger.purge_tag("tag") == await stranger.delete("key") == 0
    assert await other.delete("key") == 1
    assert await bodies(store, "key") == []
    for each in (other, stranger):
        await each.close()


async def test_a_key_lapses_with_the_variant_that_lives_longest(server: Valkey, store: RedisCacheStore) -> None:
    await store.put("key", stored(b"en", ENGLISH), 10)
    assert 9 < lifetime(server, ANSWERS + "key") <= 10
    await store.put("key", stored(b"de", GERMAN), 100)
    assert 99 < lifetime(server, ANSWERS + "key") <= 100
    await store.put("key", stored(b"de 2", GERMAN), 5)
    assert 99 < lifetime(server, ANSWERS + "key") <= 100
    await store.put("brief", stored(b"", (), ("tag",)), 0.0001)
    await until(lambda: server.stored() == [ANSWERS + "key"])
    assert await bodies(store, "brief") == []


async def test_no_lifetime_is_endless(server: Valkey, store: RedisCacheStore) -> None:
    await store.put("key", stored(), float("inf"))
    assert 365 * 86400 < lifetime(server, ANSWERS + "key") < 367 * 86400


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
async def test_an_answer_without_a_lifetime_is_not_kept_and_nor_is_what_it_replaces(
    store: RedisCacheStore, seconds: float
) -> None:
    await store.put("key", stored(b"en", ENGLISH), 10)
    await store.put("key", stored(b"de", GERMAN), 10)
    await store.put("key", stored(b"en 2", ENGLISH), seconds)
    assert await bodies(store, "key") == [b"de"]
    assert store.refused == 0


async def test_too_large_is_not_kept_and_what_it_replaces_is_out_of_date(server: Valkey) -> None:
    store = RedisCacheStore(server.url, timeout=5.0, max_entry_size=10_000)
    await store.put("key", stored(b"en", ENGLISH), 10)
    await store.put("key", stored(b"de", GERMAN), 10)
    await store.put("key", stored(bytes(10_000), ENGLISH), 10)
    assert await bodies(store, "key") == [b"de"]
    assert store.refused == 1
    await store.close()


async def test_a_key_whose_variants_outgrow_their_room_begins_anew(server: Valkey) -> None:
    store = RedisCacheStore(server.url, timeout=5.0, max_entry_size=10_000)
    for number in range(3):
        await store.put("key", stored(bytes([number]) * 4000, (("accept", (str(number),)),)), 100 - number)
    assert await bodies(store, "key") == [b"\2" * 4000]
    assert 97 < lifetime(server, ANSWERS + "key") <= 98
    for number in range(MOST_VARIANTS):
        await store.put("many", stored(b"", (("accept", (str(number),)),)), 100)
    assert len(await store.get("many")) == MOST_VARIANTS
    await store.put("many", stored(b"one more"), 100)
    assert await bodies(store, "many") == [b"one more"]
    await store.close()


async def test_too_long_a_key_is_not_kept(store: RedisCacheStore) -> None:
    key = "k" * (LONGEST_KEY + 1)
    await store.put(key, stored(), 10)
    assert (list(await store.get(key)), await store.delete(key)) == ([], 0)
    assert (store.refused, store.misses) == (1, 1)


async def test_delete_says_how_many_variants_there_were(server: Valkey, store: RedisCacheStore) -> None:
    await store.put("key", stored(b"", ENGLISH), 10)
    await store.put("key", stored(b"", GERMAN), 10)
    await store.put("other", stored(b"", GERMAN), 10)
    assert [await store.delete("key"), await store.delete("key")] == [2, 0]
    assert server.stored() == [ANSWERS + "other"]


async def test_a_purge_by_prefix_takes_what_begins_with_it(server: Valkey, store: RedisCacheStore) -> None:
    server.command("SET", "somebody else's", "")
    for key in ("GET /a/1", "GET /a/2", "GET /ab", "GET /*", "GET /a"):
        await store.put(key, stored(b"", ENGLISH), 10)
        await store.put(key, stored(b"", GERMAN), 10)
    assert await store.purge_prefix("GET /*") == 2
    assert await store.purge_prefix("GET /a/") == 4
    assert await store.purge_prefix("GET /a/") == 0
    assert server.stored() == ["somebody else's", ANSWERS + "GET /a", ANSWERS + "GET /ab"]
    assert await store.purge_prefix("") == 4
    assert server.stored() == ["somebody else's"]


async def test_a_purge_by_tag_takes_the_answers_that_have_it(server: Valkey, store: RedisCacheStore) -> None:
    await store.put("key", stored(b"en", ENGLISH, ("products", "product 7")), 10)
    await store.put("key", stored(b"de", GERMAN), 10)
    await store.put("other", stored(b"", (), ("products",)), 100)
    assert 99 < lifetime(server, TAG + "products") <= 100, "as long as the longest of them"
    assert 9 < lifetime(server, TAG + "product 7") <= 10
    assert await store.purge_tag("nothing") == 0
    assert await store.purge_tag("products") == 2
    assert await store.purge_tag("products") == await store.purge_tag("product 7") == 0
    assert await bodies(store, "key") == [b"de"]
    assert server.stored() == [ANSWERS + "key"]


async def test_a_purge_takes_more_than_fit_into_one_go(store: RedisCacheStore) -> None:
    count = 2 * SOME + 7
    puts = (store.put(f"key {number}", stored(b"", (), ("tag",)), 100) for number in range(count))
    await asyncio.gather(*puts)
    assert await store.purge_tag("tag") == count
    puts = (store.put(f"key {number}", stored(), 100) for number in range(count))
    await asyncio.gather(*puts)
    assert await store.purge_prefix("key") == count


async def test_a_tag_s_set_does_not_grow_by_what_has_lapsed(server: Valkey, store: RedisCacheStore) -> None:
    for number in range(20):
        await store.put(f"key {number}", stored(b"", (), ("tag",)), 0.001)
    await store.put("long", stored(b"", (), ("tag",)), 100)
    await until(lambda: server.stored() == [ANSWERS + "long", TAG + "tag"])
    await store.put("longer", stored(b"", (), ("tag",)), 200)
    assert server.command("ZCARD", TAG + "tag") == 2


@pytest.mark.parametrize("garbage", [b"", b"garbage", b"AGC2" + bytes(50), packed(stored(b"cut"))[:-1]])
async def test_a_value_that_cannot_be_read_is_a_miss_and_leaves_the_others(
    server: Valkey, store: RedisCacheStore, garbage: bytes
) -> None:
    server.command("HSET", ANSWERS + "key", variant_id(ENGLISH), garbage)
    assert await bodies(store, "key") == []
    assert (store.unreadable, store.misses, store.hits) == (1, 1, 0)
    await store.put("key", stored(b"de", GERMAN), 10)
    assert await bodies(store, "key") == [b"de"]
    await store.put("key", stored(b"en", ENGLISH), 10)
    assert sorted(await bodies(store, "key")) == [b"de", b"en"]


async def test_a_key_of_another_type_is_a_miss_and_is_put_right_by_the_next(
    server: Valkey, store: RedisCacheStore
) -> None:
    for key in ("key", "other"):
        server.command("SET", ANSWERS + key, "garbage")
    assert await bodies(store, "key") == []
    assert (store.unreadable, store.misses) == (1, 1)
    assert await store.delete("key") == 0
    await store.put("key", stored(b"body", (), ("tag",)), 10)
    assert await bodies(store, "key") == [b"body"]
    assert await store.purge_prefix("") == 1
    server.command("ZADD", TAG + "tag", 1, variant_id(()) + (ANSWERS + "other").encode(), 2, "short")
    assert await store.purge_tag("tag") == 0
    assert server.stored() == [ANSWERS + "other"]
    assert (store.server.errors, store.server.unavailable, store.server.reachable) == (1, 1, True)


async def test_scripts_that_the_server_forgot_are_brought_again(server: Valkey, store: RedisCacheStore) -> None:
    await store.put("key", stored(b"1"), 10)
    server.command("SCRIPT", "FLUSH")
    await store.put("key", stored(b"2"), 10)
    assert await bodies(store, "key") == [b"2"]
    assert store.server.repeated == 2


async def test_large_answers_pass_and_the_small_ones_between_them(server: Valkey, store: RedisCacheStore) -> None:
    large = stored(bytes(2**20 - 1000))
    await asyncio.gather(*(store.put(f"large {number}", large, 100) for number in range(10)))
    await store.put("small", stored(b"small"), 100)
    got = await asyncio.gather(*(bodies(store, f"large {number % 10}") for number in range(30)), bodies(store, "small"))
    assert got == [[large.body]] * 30 + [[b"small"]]
    assert store.refused == 0


async def test_what_the_server_does_not_read_is_not_heaped_up(server: Valkey) -> None:
    store = RedisCacheStore(server.url, timeout=30.0)
    large = stored(bytes(2**20 - 1000))
    await store.get("key")
    with server.frozen():
        puts = [asyncio.create_task(store.put(f"large {number}", large, 100)) for number in range(40)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert store.server.unsent <= MOST_UNSENT + 40 * 1000
        assert store.refused >= 20
    await asyncio.gather(*puts)
    assert store.server.unsent == 0
    await store.close()


async def test_a_cancelled_caller_takes_nobody_s_answer(store: RedisCacheStore) -> None:
    for number in range(50):
        await store.put(str(number), stored(str(number).encode()), 100)
    asked = [asyncio.create_task(bodies(store, str(number))) for number in range(50)]
    await asyncio.sleep(0)
    for task in asked[::3]:
        task.cancel()
    await asyncio.wait(asked)
    for number, task in enumerate(asked):
        assert task.cancelled() if number % 3 == 0 else task.result() == [str(number).encode()]


def test_sizes_and_addresses_that_cannot_be_are_refused() -> None:
    for wrong in ({"max_entry_size": 0}, {"timeout": 0.0}, {"timeout": float("inf")}, {"prefix": "{"}):
        with pytest.raises(ValueError, match=r"bytes|timeout|prefix"):
            RedisCacheStore("redis://127.0.0.1:1", **wrong)
    with pytest.raises(ValueError, match="usable URL") as error:
        RedisCacheStore("http://:hunter2@127.0.0.1")
    assert "hunter2" not in str(error.value)
