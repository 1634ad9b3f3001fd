"""S3-FIFO: the queues step by step, its bound under anything, and its hit ratio beside a least-recently-used table."""

from __future__ import annotations

import random
from bisect import bisect
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from api_gateway.caching.s3_fifo import STEPS, S3Fifo


def table(max_size: int) -> tuple[S3Fifo[str], list[str]]:
    gone: list[str] = []
    return S3Fifo(max_size, lambda key, _: gone.append(key)), gone


def fill(fifo: S3Fifo[str], keys: str) -> None:
    for key in keys:
        fifo.put(key, key.upper(), 1)


def test_what_was_put_is_there_and_what_was_not_is_not() -> None:
    fifo, _ = table(10)
    fifo.put("a", "A", 3)
    assert (fifo.get("a"), fifo.peek("a"), fifo.get("b"), fifo.peek("b")) == ("A", "A", None, None)
    assert (fifo.size, len(fifo), list(fifo), "a" in fifo, "b" in fifo) == (3, 1, ["a"], True, False)
    assert (fifo.pop("a"), fifo.pop("a"), fifo.size, len(fifo)) == ("A", None, 0, 0)


def test_the_first_that_nobody_asked_for_goes_first() -> None:
    fifo, gone = table(10)
    fill(fifo, "abcdefghij")
    fill(fifo, "klm")
    assert gone == ["a", "b", "c"]
    assert (fifo.size, fifo.evictions) == (10, 3)


def test_what_was_asked_for_twice_stays_and_what_was_asked_for_once_does_not() -> None:
    fifo, gone = table(10)
    fill(fifo, "abcdefghij")
    for key in "aab":
        fifo.get(key)
    fill(fifo, "kl")
    assert gone == ["b", "c"]
    assert "a" in fifo


def test_looking_is_not_asking() -> None:
    fifo, gone = table(10)
    fill(fifo, "abcdefghij")
    for _ in range(5):
        fifo.peek("a")
    fill(fifo, "k")
    assert gone == ["a"]


def test_what_comes_back_while_its_ghost_is_there_goes_to_the_main_queue_at_once() -> None:
    fifo, gone = table(10)
    fill(fifo, "abcdefghij")
    fill(fifo, "k")
    assert gone == ["a"]
    fill(fifo, "a")
    fill(fifo, "".join(chr(code) for code in range(200, 400)))
    assert "a" in fifo, "two hundred that came once did not touch it"


def test_what_nobody_asks_for_any_more_leaves_the_main_queue() -> None:
    fifo, _ = table(10)
    fill(fifo, "abcdefghij")
    for key in "abcdefghij" * 3:
        fifo.get(key)
    fill(fifo, "klmnopqrst")
    for number in range(40):  # twice each, so that they have to be kept somewhere
        key = f"new {number}"
        fifo.put(key, key, 1)
        fifo.get(key)
        fifo.get(key)
    assert not set("abcdefghij") & set(fifo)


def test_a_new_value_keeps_its_key_s_place_and_its_size_counts_once() -> None:
    fifo, gone = table(10)
    fifo.put("a", "A", 4)
    fifo.put("b", "B", 4)
    fifo.put("a", "A2", 6)
    assert (fifo.peek("a"), fifo.size, gone) == ("A2", 10, [])
    fifo.put("a", "A3", 7)
    assert (fifo.peek("a"), fifo.size, gone) == ("A3", 7, ["b"])


def test_a_large_one_displaces_as_many_as_it_takes() -> None:
    fifo, gone = table(10)
    fill(fifo, "abcdefghij")
    fifo.put("big", "BIG", 8)
    assert (gone, fifo.size, len(fifo)) == (list("abcdefgh"), 10, 3)


@pytest.mark.parametrize("size", [11, 0, -1])
def test_a_size_that_cannot_be_is_refused_and_changes_nothing(size: int) -> None:
    fifo, gone = table(10)
    fill(fifo, "a")
    with pytest.raises(ValueError, match="at most 10"):
        fifo.put("a", "B", size)
    assert (fifo.peek("a"), fifo.size, gone) == ("A", 1, [])


def test_to_forget_one_takes_so_many_steps_however_hot_the_rest_is() -> None:
    fifo, gone = table(10_000)
    keys = [f"key {number}" for number in range(10_000)]
    for key in keys:
        fifo.put(key, key, 1)
        for _ in range(3):
            fifo.get(key)
    fifo.put("one more", "", 1)
    assert gone == [keys[STEPS - 1]]


def test_emptied_it_is_as_new() -> None:
    fifo, gone = table(10)
    fill(fifo, "abcdefghijkl")
    fifo.clear()
    assert (fifo.size, len(fifo), gone) == (0, 0, ["a", "b"])
    fill(fifo, "abcdefghijk")
    assert gone == ["a", "b", "a"], "its ghosts are gone, too"


class Model(RuleBasedStateMachine):
    """Anything in any order, beside a dictionary that forgets what the table says it forgot."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, tuple[int, int]] = {}
        self.fifo: S3Fifo[int] = S3Fifo(100, self.forgotten)
        self.count = 0

    def forgotten(self, key: str, value: int) -> None:
        assert self.known.pop(key)[0] == value

    keys = st.sampled_from([f"key {number}" for number in range(30)])

    @rule(key=keys, size=st.integers(1, 40))
    def put(self, key: str, size: int) -> None:
        self.count += 1
        self.known.pop(key, None)
        self.fifo.put(key, self.count, size)
        self.known[key] = (self.count, size)

    @rule(key=keys, times=st.integers(1, 4))
    def get(self, key: str, times: int) -> None:
        for _ in range(times):
            assert self.fifo.get(key) == self.known.get(key, (None,))[0]

    @rule(key=keys)
    def pop(self, key: str) -> None:
        assert self.fifo.pop(key) == self.known.pop(key, (None,))[0]

    @rule(seed=st.integers(0, 1000))
    def rush(self, seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(40):
            key = f"key {chance.randrange(30)}"
            if chance.random() < 0.5:
                self.get(key, 2)
            else:
                self.put(key, chance.randrange(1, 40))

    @invariant()
    def counts_are_right(self) -> None:
        fifo = self.fifo
        assert set(fifo) == set(self.known)
        assert fifo.size == sum(size for _, size in self.known.values()) <= 100
        assert set(fifo._small) | set(fifo._main) == set(self.known)
        assert not set(fifo._small) & set(fifo._main)
        assert fifo._small_size == sum(entry.size for entry in fifo._small.values())
        assert all(entry.in_main for entry in fifo._main.values())
        assert not any(entry.in_main for entry in fifo._small.values())
        assert len(fifo._ghosts) <= 100


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=60, stateful_step_count=40)


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 100)), max_size=200))
def test_it_never_holds_more_than_its_size_and_always_has_what_was_put_last(puts: list[tuple[int, int]]) -> None:
    fifo, _ = table(100)
    for number, size in puts:
        fifo.put(str(number), "value", size)
        assert fifo.size <= 100
        assert fifo.peek(str(number)) == "value"


PAGES = 10_000
REQUESTS = 200_000


@cache
def zipf(exponent: float = 0.9) -> list[int]:
    """Pages by popularity: the second is asked for 2 ** exponent times less often than the first."""
    chance = random.Random(7)
    heights = list(accumulate(1 / (page + 1) ** exponent for page in range(PAGES)))
    return [bisect(heights, chance.random() * heights[-1]) for _ in range(REQUESTS)]


def hit_ratio(ask: Callable[[str], bool], *, crawlers: bool) -> float:
    """Of those that people ask for, after the first tenth; crawlers read 2500 pages of their own, again and again."""
    hits = 0
    for number, page in enumerate(zipf()):
        if crawlers and number % 20_000 >= 15_000 and number % 2:
            ask(f"old page {number}")
        hits += ask(str(page)) and number >= REQUESTS // 10
    return hits / (REQUESTS - REQUESTS // 10)


def of_s3_fifo(room: int) -> Callable[[str], bool]:
    fifo, _ = table(room)

    def ask(key: str) -> bool:
        if fifo.get(key) is not None:
            return True
        fifo.put(key, key, 1)
        return False

    return ask


def of_lru(room: int) -> Callable[[str], bool]:
    kept: OrderedDict[str, None] = OrderedDict()

    def ask(key: str) -> bool:
        if key in kept:
            kept.move_to_end(key)
            return True
        kept[key] = None
        if len(kept) > room:
            kept.popitem(last=False)
        return False

    return ask


@pytest.mark.parametrize(
    ("room", "lru", "lru_crawled", "s3", "s3_crawled"),
    [(100, 0.263, 0.251, 0.385, 0.386), (500, 0.454, 0.437, 0.553, 0.555), (1000, 0.556, 0.533, 0.635, 0.636)],
)
def test_hit_ratio_beside_the_least_recently_used(
    room: int, lru: float, lru_crawled: float, s3: float, s3_crawled: float
) -> None:
    measured = [hit_ratio(make(room), crawlers=crawlers) for make in (of_lru, of_s3_fifo) for crawlers in (False, True)]
    print(f"\nroom for {room}: {' '.join(f'{ratio:.3f}' for ratio in measured)}")
    assert measured == pytest.approx([lru, lru_crawled, s3, s3_crawled], abs=0.001)
    plain, plain_crawled, better, better_crawled = measured
    assert better > plain + 0.07
    assert plain_crawled < plain - 0.005, "crawlers cost the least recently used some hits"
    assert better_crawled > better - 0.002, "and this none"
