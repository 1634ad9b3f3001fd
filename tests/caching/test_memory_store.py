"""Answers in this process: what stays, what goes, what is counted; and anything at all, beside a plain dictionary."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from api_gateway.caching.cache_store import CacheStore
from api_gateway.caching.memory_store import (
    LONGEST_LIFETIME,
    MOST_VARIANTS,
    MemoryCacheStore,
    default_max_entry_size,
)
from api_gateway.caching.stored_response import SelectingFields, StoredResponse
from api_gateway.core.clock import ManualClock, SystemClock
from api_gateway.core.headers import Headers

MEBIBYTE = 2**20
ENGLISH: SelectingFields = (("accept-language", ("en",)),)
GERMAN: SelectingFields = (("accept-language", ("de",)),)


def answer(body: bytes = b"", selecting: SelectingFields = (), tags: tuple[str, ...] = ()) -> StoredResponse:
    return StoredResponse(200, Headers({"content-type": "text/plain"}), body, 1.0, 2.0, selecting, tags)


def make(max_size: int = MEBIBYTE, max_entry_size: int | None = None) -> tuple[MemoryCacheStore, ManualClock]:
    clock = ManualClock()
    return MemoryCacheStore(max_size, clock, max_entry_size=max_entry_size), clock


async def test_it_is_a_cache_store() -> None:
    store: CacheStore = make()[0]
    assert await store.get("key") == ()


async def test_what_was_put_is_got_itself() -> None:
    store, _ = make()
    kept = answer(b"body")
    await store.put("key", kept, 10)
    assert list(await store.get("key")) == [kept]
    assert (await store.get("key"))[0] is kept, "a hit copies nothing"
    assert await store.get("other") == ()
    assert (store.hits, store.misses, store.entries) == (2, 1, 1)


async def test_what_is_looked_at_is_what_would_be_got_and_is_neither_counted_nor_dropped() -> None:
    store, clock = make()
    await store.put("key", answer(b"old", (("accept", ("a",)),)), 5)
    await store.put("key", answer(b"new"), 9)
    assert [each.body for each in await store.peek("key")] == [b"new", b"old"]
    clock.advance(6)
    assert [each.body for each in await store.peek("key")] == [b"new"]
    assert list(await store.peek("other")) == []
    assert (store.hits, store.misses, store.expired) == (0, 0, 0)


@settings(max_examples=50)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(("put", "put", "get", "wait")), st.integers(0, 11)), min_size=60, max_size=90
    )
)
def test_to_look_keeps_nothing_from_giving_way(steps: list[tuple[str, int]]) -> None:
    async def kept(*, looks: bool) -> list[object]:
        store, clock = make(8_000, 2_000)
        found: list[object] = []
        for what, number in steps:
            for further in range(3 if looks else 0):
                await store.peek(str((number + further) % 12))
            if what == "put":
                await store.put(str(number), answer(b"x" * 300), 1 + number % 5)
            elif what == "get":
                found.append(len(await store.get(str(number))))
            else:
                clock.advance(number / 20)
        return [*found, store.entries, store.evictions, store.expired, store.hits, store.misses]

    assert asyncio.run(kept(looks=True)) == asyncio.run(kept(looks=False))


async def test_variants_are_kept_side_by_side_newest_first() -> None:
    store, _ = make()
    english, german, newer = answer(b"en", ENGLISH), answer(b"de", GERMAN), answer(b"en 2", ENGLISH)
    await store.put("key", english, 10)
    await store.put("key", german, 10)
    assert list(await store.get("key")) == [german, english]
    await store.put("key", newer, 10)
    assert list(await store.get("key")) == [newer, german]
    assert store.entries == 1


async def test_what_is_past_its_lifetime_is_not_given_and_its_bytes_are_free() -> None:
    store, clock = make()
    short, long = answer(b"short", ENGLISH, ("tag",)), answer(b"long", GERMAN)
    await store.put("key", short, 1.0)
    await store.put("key", long, 2.0)
    full = store.bytes
    clock.advance(0.999)
    assert list(await store.get("key")) == [long, short]
    clock.advance(0.001)
    assert list(await store.get("key")) == [long]
    assert store.bytes < full
    clock.advance(1)
    assert await store.get("key") == ()
    assert (store.bytes, store.entries, store.expired, store.misses, store.hits) == (0, 0, 2, 1, 2)


async def test_a_new_variant_does_not_bring_an_expired_one_back() -> None:
    store, clock = make()
    await store.put("key", answer(b"old", ENGLISH), 1.0)
    clock.advance(5)
    kept = answer(b"new", GERMAN)
    alone, _ = make()
    for each in (store, alone):
        await each.put("key", kept, 10.0)
    assert store.bytes == alone.bytes, "what is over takes no room"
    assert list(await store.get("key")) == [kept]


@pytest.mark.parametrize("lifetime", [0.0, -1.0, float("nan")])
async def test_an_answer_without_a_lifetime_is_not_kept_and_nor_is_what_it_replaces(lifetime: float) -> None:
    store, _ = make()
    other = answer(b"other", GERMAN)
    await store.put("key", answer(b"old", ENGLISH), 10)
    await store.put("key", other, 10)
    await store.put("key", answer(b"new", ENGLISH), lifetime)
    assert list(await store.get("key")) == [other]


async def test_no_lifetime_is_longer_than_the_longest() -> None:
    store, clock = make()
    await store.put("key", answer(), float("inf"))
    clock.advance(LONGEST_LIFETIME - 1)
    assert await store.get("key")
    clock.advance(1)
    assert not await store.get("key")


async def test_too_large_is_not_kept_and_what_it_replaces_is_out_of_date() -> None:
    store, _ = make(MEBIBYTE, 10_000)
    other = answer(b"other", GERMAN)
    await store.put("key", answer(b"small", ENGLISH), 10)
    await store.put("key", other, 10)
    await store.put("key", answer(bytes(10_001), ENGLISH), 10)
    assert list(await store.get("key")) == [other]
    await store.put("new", answer(bytes(10_001)), 10)
    assert await store.get("new") == ()
    assert store.refused == 2


async def test_the_limit_of_an_entry_is_that_of_all_its_variants_together() -> None:
    store, _ = make(MEBIBYTE, 10_000)
    for number in range(3):
        await store.put("key", answer(bytes(3000), (("accept", (str(number),)),)), 10)
    assert [kept.selecting[0][1] for kept in await store.get("key")] == [("2",), ("1",)]
    assert store.bytes <= 10_000


async def test_variants_are_as_many_as_can_be_looked_through() -> None:
    store, _ = make(10 * MEBIBYTE)
    for number in range(MOST_VARIANTS + 8):
        await store.put("key", answer(b"", (("accept", (str(number),)),)), 10)
    assert len(await store.get("key")) == MOST_VARIANTS


async def test_bytes_stay_within_the_bound_and_what_is_asked_for_stays() -> None:
    store, _ = make(100_000)
    favourite = answer(b"favourite")
    await store.put("favourite", favourite, 100)
    for number in range(1000):
        await store.put(f"once {number}", answer(bytes(1000)), 100)
        assert store.bytes <= store.max_size == 100_000
        assert list(await store.get("favourite")) == [favourite]
    assert store.evictions == 1001 - store.entries
    assert store.evictions > 900


async def test_delete_forgets_every_variant_and_says_how_many() -> None:
    store, clock = make()
    await store.put("key", answer(b"en", ENGLISH), 1)
    await store.put("key", answer(b"de", GERMAN), 10)
    await store.put("other", answer(), 10)
    assert await store.delete("nothing") == 0
    clock.advance(2)
    assert await store.delete("key") == 1, "one was past its lifetime"
    assert await store.delete("key") == 0
    assert await store.get("key") == ()
    assert len(await store.get("other")) == 1


async def test_a_prefix_is_text_and_nothing_else() -> None:
    store, _ = make()
    for key in ("GET /a/1", "GET /a/2", "GET /ab", "GET /*", "GET /b"):
        await store.put(key, answer(), 10)
    assert await store.purge_prefix("GET /*") == 1
    assert await store.purge_prefix("GET /a/") == 2
    assert await store.purge_prefix("GET /a/") == 0
    assert len(await store.get("GET /ab")) == 1
    assert await store.purge_prefix("") == 2
    assert (store.bytes, store.entries) == (0, 0)


async def test_a_tag_forgets_the_answers_that_have_it_and_leaves_other_variants() -> None:
    store, _ = make()
    untagged = answer(b"de", GERMAN)
    await store.put("key", answer(b"en", ENGLISH, ("products", "product-7")), 10)
    await store.put("key", untagged, 10)
    await store.put("other", answer(b"", (), ("products",)), 10)
    assert await store.purge_tag("product-8") == 0
    assert await store.purge_tag("products") == 2
    assert await store.purge_tag("products") == await store.purge_tag("product-7") == 0
    assert list(await store.get("key")) == [untagged]


async def test_the_tags_of_what_gave_way_or_was_replaced_are_gone() -> None:
    store, _ = make(30_000)
    await store.put("key", answer(b"", (), ("old",)), 10)
    await store.put("key", answer(b"", (), ("new",)), 10)
    assert await store.purge_tag("old") == 0
    assert await store.purge_tag("new") == 1
    for number in range(200):
        await store.put(f"key {number}", answer(b"", (), (f"tag {number}", "all")), 10)
    entries = store.entries
    assert 0 < entries < 200
    assert len(store._by_tag) == entries + 1
    assert await store.purge_tag("all") == entries
    assert (store.entries, store._by_tag) == (0, {})


async def test_closed_it_is_empty() -> None:
    store, _ = make()
    await store.put("key", answer(b"", (), ("tag",)), 10)
    await store.close()
    await store.close()
    assert (await store.get("key"), store.bytes, store.entries, store._by_tag) == ((), 0, 0, {})


def test_an_entry_has_a_tenth_of_the_store_and_a_mebibyte_at_most() -> None:
    assert default_max_entry_size(MEBIBYTE) == MEBIBYTE // 10
    assert default_max_entry_size(64 * MEBIBYTE) == MEBIBYTE
    assert make(64 * MEBIBYTE)[0].max_entry_size == MEBIBYTE


@pytest.mark.parametrize(("size", "entry"), [(0, None), (5, None), (-1, None), (100, 101), (100, 0), (100, -1)])
def test_sizes_that_cannot_be_are_refused(size: int, entry: int | None) -> None:
    with pytest.raises(ValueError, match="bytes"):
        make(size, entry)


def alike(number: int, body: int, fields: int, variants: int, tags: int) -> StoredResponse:
    """One of many that share nothing, as answers that come from a network do not."""
    return StoredResponse(
        200,
        Headers.from_pairs([(f"x-{number}-{field}".encode(), f"value {number}".encode()) for field in range(fields)]),
        bytes(body + number % 7),
        number + 0.5,
        number + 1.5,
        tuple((f"x-{number}-{field}", (f"value {number}",)) for field in range(variants)),
        tuple(f"tag {number} {tag}" for tag in range(tags)),
    )


@pytest.mark.parametrize(
    ("body", "fields", "variants", "tags"),
    [(0, 0, 0, 0), (100, 10, 0, 0), (100, 10, 3, 0), (100, 10, 0, 5), (5000, 10, 1, 1)],
)
async def test_the_bytes_it_counts_are_the_bytes_it_takes(body: int, fields: int, variants: int, tags: int) -> None:
    store = MemoryCacheStore(100 * MEBIBYTE, SystemClock())
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(400):
            response = alike(number, body, fields, variants, tags)
            assert response.facts, "which are kept once they were looked at"
            await store.put(f"GET https://shop.example/{number}", response, 60)
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert store.entries == 400
    assert 0.8 < taken / store.bytes < 1.2


Result = TypeVar("Result")


def now(coroutine: Coroutine[object, None, Result]) -> Result:
    """What a coroutine returns that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        result: Result = finished.value
        return result
    raise AssertionError("the store in memory must not wait")


@dataclass
class Known:
    """What a naive store would know."""

    response: StoredResponse
    ends: float


class Model(RuleBasedStateMachine):
    """Anything in any order: what is returned was put, is the latest of its variant, and is neither old nor purged."""

    max_size = 15_000
    forgets = True

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.store = MemoryCacheStore(self.max_size, self.clock, max_entry_size=self.max_size // 3)
        self.known: dict[str, list[Known]] = {}

    keys = st.sampled_from(["/a", "/a/1", "/a/2", "/b", "/b/1", "/c*"])
    selections = st.sampled_from([(), ENGLISH, GERMAN])
    tags = st.lists(st.sampled_from(["x", "y", "z"]), max_size=3).map(tuple)

    @rule(
        key=keys,
        selecting=selections,
        tags=tags,
        size=st.one_of(st.integers(0, 1500), st.integers(0, 6000)),
        lifetime=st.sampled_from([0.0, 1.0, 5.0, 100.0]),
    )
    def put(self, key: str, selecting: SelectingFields, tags: tuple[str, ...], size: int, lifetime: float) -> None:
        response = answer(bytes(size), selecting, tags)
        refused = self.store.refused
        now(self.store.put(key, response, lifetime))
        others = [known for known in self.live(key) if known.response.selecting != selecting]
        kept = lifetime > 0 and self.store.refused == refused
        self.known[key] = [Known(response, self.clock.wall() + lifetime), *others] if kept else others

    @rule(key=keys)
    def get(self, key: str) -> None:
        got = now(self.store.get(key))
        known = [known.response for known in self.live(key)]
        places = [known.index(response) for response in got]
        assert places == sorted(set(places)), "newest first, each once"
        assert self.forgets or len(got) == len(known)

    @rule(key=keys)
    def delete(self, key: str) -> None:
        self.forgotten(now(self.store.delete(key)), self.live(key))
        self.known.pop(key, None)

    @rule(prefix=st.sampled_from(["", "/a", "/a/", "/c*", "/d"]))
    def purge_prefix(self, prefix: str) -> None:
        keys = [key for key in self.known if key.startswith(prefix)]
        gone = [known for key in keys for known in self.live(key)]
        self.forgotten(now(self.store.purge_prefix(prefix)), gone)
        for key in keys:
            del self.known[key]

    @rule(tag=st.sampled_from(["x", "y", "z", "none"]))
    def purge_tag(self, tag: str) -> None:
        gone = [known for key in self.known for known in self.live(key) if tag in known.response.tags]
        self.forgotten(now(self.store.purge_tag(tag)), gone)
        for key, variants in self.known.items():
            self.known[key] = [known for known in variants if tag not in known.response.tags]

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def live(self, key: str) -> list[Known]:
        return [known for known in self.known.get(key, []) if known.ends > self.clock.wall()]

    def forgotten(self, count: int, known: Sequence[Known]) -> None:
        assert count <= len(known) if self.forgets else count == len(known)

    @invariant()
    def counts_and_indexes_are_right(self) -> None:
        store, fifo = self.store, self.store._entries
        assert 0 <= store.bytes <= self.max_size
        entries = {key: fifo.peek(key) for key in fifo}
        tagged: dict[str, set[str]] = {}
        for key, entry in entries.items():
            assert entry is not None
            responses, ends, first_end = entry
            assert 0 < len(ends) == len(responses)
            assert first_end == min(ends)
            assert len({response.selecting for response in responses}) == len(responses)
            for response in responses:
                for tag in response.tags:
                    tagged.setdefault(tag, set()).add(key)
        assert store._by_tag == tagged
        assert store.entries == len(entries)


class Roomy(Model):
    """With room for everything it forgets nothing, and is that naive store."""

    max_size = 10 * MEBIBYTE
    forgets = False


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=50, stateful_step_count=40)
TestRoomy = Roomy.TestCase
TestRoomy.settings = settings(max_examples=40, stateful_step_count=50)


async def test_many_tasks_at_once_need_no_lock() -> None:
    store, _ = make(50_000)

    async def work(number: int) -> None:
        for turn in range(50):
            key = f"key {(number * 7 + turn) % 40}"
            await store.put(key, answer(key.encode(), (), ("tag",)), 10)
            await asyncio.sleep(0)
            assert all(kept.body == key.encode() for kept in await store.get(key))
            if turn % 20 == 0:
                await store.purge_tag("tag")

    await asyncio.gather(*(work(number) for number in range(10)))
    assert store.bytes <= 50_000


async def test_asked_at_once_it_is_the_same_store() -> None:
    store, _ = make()
    nearby = store.nearby
    assert nearby is not None
    kept = answer(b"body")
    nearby.keep("key", kept, 10)
    assert list(await store.get("key")) == [kept]
    await store.delete("key")
    assert nearby.find("key") == ()
