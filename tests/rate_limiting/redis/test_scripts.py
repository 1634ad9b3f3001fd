"""The Lua decides as the Python does, to the microsecond, on traces that nobody chose."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_gateway.rate_limiting.limit_store import AlgorithmName, Ask, Limit
from api_gateway.rate_limiting.limiters import BUCKETS, WINDOWS, limiter_of
from api_gateway.rate_limiting.memory_store import MemoryStore
from api_gateway.rate_limiting.rate_limiter import Decision
from api_gateway.rate_limiting.redis.scripts import Scripts, _text
from tests.support.valkey import Valkey, acquire_at, store_with_time

ALGORITHMS: tuple[AlgorithmName, ...] = get_args(AlgorithmName)
TODAY = 1_790_000_000_000_000

Step = tuple[int, list[Ask], bool]
"""Microseconds since the start, what is asked, and whether what is held is given back at once."""

examples = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None)


@st.composite
def limits_of(draw: st.DrawFn, algorithm: AlgorithmName, name: str) -> Limit:
    """A small limit; buckets also with periods that are not whole microseconds."""
    count, burst = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    nanoseconds = draw(st.integers(1, 40_000)) if algorithm in BUCKETS else draw(st.integers(1, 40)) * 1000
    return Limit(name, algorithm, count, nanoseconds / 1e9, burst if algorithm in BUCKETS else None)


@st.composite
def steps_of(draw: st.DrawFn, limits: Sequence[Limit], most_asks: int, in_order: bool = True) -> list[Step]:
    pauses = st.one_of(st.just(0), st.integers(0, 3), st.integers(0, 60))
    asks = st.builds(
        Ask,
        st.sampled_from(list(limits)),
        st.sampled_from(["a", "b"]),
        st.one_of(st.just(1), st.integers(0, 8)),
    )
    drawn = draw(
        st.lists(
            st.tuples(pauses, st.lists(asks, min_size=1, max_size=most_asks), st.booleans()), min_size=1, max_size=25
        )
    )
    now = draw(st.sampled_from([0, 7, TODAY]))
    steps = []
    for pause, asked, back in drawn:
        now = now + pause if in_order or draw(st.booleans()) else max(0, now - pause)
        steps.append((now, asked, back))
    return steps


def in_microseconds(decision: Decision) -> Decision:
    def up(nanoseconds: int) -> int:
        return -(-nanoseconds // 1000) * 1000

    retry_after = decision.retry_after
    return decision._replace(
        reset_after=up(decision.reset_after),
        retry_after=None if retry_after is None else up(retry_after),
        wait=up(decision.wait),
    )


def what_counts(tightest: Decision) -> tuple[object, ...]:
    """Of the tightest decision, what is the same also where two are equally tight but for less than a microsecond."""
    if tightest.allowed:
        return tightest.remaining, tightest.reset_after, tightest.wait
    return tightest.retry_after, tightest.wait


async def compare(server: Valkey, limits: Sequence[Limit], steps: Sequence[Step]) -> None:
    server.command("FLUSHALL")
    memory = MemoryStore({limit: limiter_of(limit) for limit in limits})
    async with store_with_time(server.url, limits) as shared:
        for now, asks, back in steps:
            expected = await memory.acquire(asks, now * 1000)
            found = await acquire_at(shared, now, asks)
            assert found.decisions == tuple(in_microseconds(decision) for decision in expected.decisions)
            assert what_counts(found.decision) == what_counts(in_microseconds(expected.decision))
            assert (found.release is None) == (expected.release is None or all(not ask.cost for ask in held(asks)))
            for grant in (expected, found):
                if back and grant.release is not None:
                    grant.release()


def held(asks: Sequence[Ask]) -> list[Ask]:
    return [ask for ask in asks if ask.limit.algorithm == "concurrency"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_memory_and_the_server_agree_on_random_traces(server: Valkey, algorithm: AlgorithmName) -> None:
    @examples
    @given(st.data())
    def agree(data: st.DataObject) -> None:
        limit = data.draw(limits_of(algorithm, "only"))
        steps = data.draw(steps_of([limit], most_asks=1))
        asyncio.run(compare(server, [limit], steps))

    agree()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_they_agree_when_the_clock_goes_back(server: Valkey, algorithm: AlgorithmName) -> None:
    @settings(examples, max_examples=20)
    @given(st.data())
    def agree(data: st.DataObject) -> None:
        limit = data.draw(limits_of(algorithm, "only"))
        steps = data.draw(steps_of([limit], most_asks=1, in_order=False))
        asyncio.run(compare(server, [limit], steps))

    agree()


def test_they_agree_on_several_limits_at_once(server: Valkey) -> None:
    """All or nothing, the same key twice, and what a refused request is told of the limits that had room."""

    @settings(examples, max_examples=60)
    @given(st.data())
    def agree(data: st.DataObject) -> None:
        chosen = data.draw(st.lists(st.sampled_from(ALGORITHMS), min_size=2, max_size=3))
        limits = [data.draw(limits_of(algorithm, f"{number}")) for number, algorithm in enumerate(chosen)]
        steps = data.draw(steps_of(limits, most_asks=4))
        asyncio.run(compare(server, limits, steps))

    agree()


BIG = [
    Limit("per day", "sliding_window_counter", 1_000_003, 86_400.0),
    Limit("per month", "sliding_window_counter", 999_999_937, 2_592_000.0),
    Limit("fixed", "fixed_window", 999_999_937, 2_592_000.0),
    Limit("odd", "gcra", 999_983, 1.0, 17),
    Limit("tokens", "token_bucket", 999_983, 60.0, 999_983),
    Limit("meter", "leaky_bucket", 9_999, 86_400.0),
    Limit("queue", "leaky_bucket_queue", 999_983, 60.0, 1_000),
]


@pytest.mark.parametrize("limit", BIG, ids=lambda limit: limit.name)
async def test_they_agree_where_products_are_beyond_a_double(server: Valkey, limit: Limit) -> None:
    period = round(limit.period * 1e6)
    chance = random.Random(limit.name)
    for _ in range(8):
        now, steps = TODAY, []
        for _ in range(25):
            now += chance.choice((0, chance.randrange(1000), chance.randrange(period // 4), chance.randrange(period)))
            cost = chance.choice((1, chance.randrange(1000), chance.randrange(limit.burst or limit.limit)))
            steps.append((now, [Ask(limit, "a", cost)], False))
        await compare(server, [limit], steps)


async def test_a_share_of_a_count_is_exact_whatever_its_size(server: Valkey) -> None:
    chance = random.Random(3)
    arithmetic = f"local algorithms = {{}}\n{_text('sliding_window_counter')}"
    ask = f"{arithmetic}\nreturn string.format('%.0f', share(tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])))"
    with server.client() as client:
        for _ in range(500):
            count, period = chance.randrange(2 ** chance.randrange(1, 47)), chance.randrange(1, 2**47)
            left = chance.randrange(period + 1)
            assert int(client.eval(ask, 0, count, left, period)) == count * left // period
            part = chance.randrange(count + 1)
            if count:
                assert int(client.eval(ask, 0, part, period, count)) == part * period // count


async def test_a_clock_that_goes_back_by_windows_weighs_the_one_before_whole_and_not_more(server: Valkey) -> None:
    limit = Limit("counter", "sliding_window_counter", 10, 1e-5)
    steps: list[Step] = [(now, [Ask(limit, "a", cost)], False) for now, cost in ((105, 8), (112, 1), (3, 1), (3, 2))]
    await compare(server, [limit], steps)


async def test_a_log_takes_thousands_at_once(server: Valkey) -> None:
    limit = Limit("log", "sliding_window_log", 30_000, 1.0)
    async with store_with_time(server.url, [limit]) as store:
        assert (await acquire_at(store, 0, [Ask(limit, "a", 12_345)])).decision.remaining == 17_655
        assert (await acquire_at(store, 5, [Ask(limit, "a", 12_345)])).decision.remaining == 5_310
        refused = (await acquire_at(store, 999_999, [Ask(limit, "a", 5_311)])).decision
        assert (refused.allowed, refused.retry_after) == (False, 1_000)
        # Both batches expire, and the list is as long as what is live.
        assert (await acquire_at(store, 1_000_005, [Ask(limit, "a", 7)])).decision.remaining == 29_993
        assert server.command("LLEN", *[key for key in server.stored() if "log" in key]) == 7


async def test_places_are_taken_by_the_thousand_too(server: Valkey) -> None:
    limit = Limit("many", "concurrency", 30_000)
    async with store_with_time(server.url, [limit]) as store:
        grant = await acquire_at(store, 0, [Ask(limit, "a", 12_345), Ask(limit, "a", 4)])
        assert grant.decision.remaining == 30_000 - 12_349
        assert grant.release is not None
        grant.release()
        assert (await acquire_at(store, 0, [Ask(limit, "a", 30_000)])).decision.allowed


def test_a_script_holds_what_it_is_asked_for_and_nothing_else() -> None:
    scripts = Scripts()
    alone = scripts.of("gcra").source
    assert "algorithms.gcra" in alone
    assert not any(f"algorithms.{name}(" in alone for name in ALGORITHMS if name != "gcra")
    assert scripts.of("gcra") is scripts.of("gcra")
    assert scripts.of("gcra", "gcra").source.count("function algorithms.gcra") == 1


def test_every_algorithm_has_its_script() -> None:
    assert set(ALGORITHMS) == {*BUCKETS, *WINDOWS, "concurrency"}
    for name in ALGORITHMS:
        assert f"function algorithms.{name}(" in Scripts().of(name).source
