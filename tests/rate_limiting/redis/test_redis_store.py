"""The store and a real server: shared by processes, killed, forgetful, slow; and what went wrong elsewhere."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import get_args

import pytest

from api_gateway.rate_limiting.limit_store import AlgorithmName, Ask, Grant, Limit
from api_gateway.rate_limiting.redis import RedisStore
from api_gateway.rate_limiting.redis.fallback import OnStoreError
from tests.support.valkey import Valkey, until, valkey

ALGORITHMS: tuple[AlgorithmName, ...] = get_args(AlgorithmName)
RATES = [name for name in ALGORITHMS if name != "concurrency"]
HOUR = 3600.0


def limit_of(algorithm: AlgorithmName, count: int, period: float = HOUR) -> Limit:
    return Limit(algorithm, algorithm, count, period)


HAMMER = """
import asyncio, json, sys
from api_gateway.rate_limiting.limit_store import Ask, Limit
from api_gateway.rate_limiting.redis import RedisStore

async def main(url, limits):
    limits = [Limit(*numbers) for numbers in limits]
    async with RedisStore(url, limits, on_store_error="refuse", timeout=20.0) as store:
        await store.connect()
        print("ready", flush=True)
        sys.stdin.readline()
        admitted = dict.fromkeys(limits, 0)

        async def task(number):
            for _ in range(10):
                for limit in limits:
                    grant = await store.acquire([Ask(limit, "the key")], 0)
                    admitted[limit] += grant.decision.allowed
        await asyncio.gather(*map(task, range(20)))
        assert store.degraded == 0
        print(json.dumps([admitted[limit] for limit in limits]), flush=True)
        sys.stdin.readline()

asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
"""


async def test_four_processes_on_one_key_admit_exactly_what_one_would(server: Valkey) -> None:
    limits = [limit_of(algorithm, 100) for algorithm in ALGORITHMS]
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", HAMMER, server.url, json.dumps(limits),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(4)
    ]  # fmt: skip
    try:
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
        counts = []
        for process in processes:
            assert process.stdout is not None
            counts.append(json.loads(await process.stdout.readline()))
        for process in processes:
            await process.communicate(b"end\n")
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert [process.returncode for process in processes] == [0] * 4
    # A queue holds the one whose turn it is, too. 800 asks of each limit take no time in which another is due.
    expected = [101 if limit.algorithm == "leaky_bucket_queue" else 100 for limit in limits]
    assert [sum(admitted) for admitted in zip(*counts, strict=True)] == expected


@pytest.mark.parametrize("algorithm", RATES)
async def test_a_key_lives_as_long_as_its_state_matters(server: Valkey, algorithm: AlgorithmName) -> None:
    limit = limit_of(algorithm, 7)
    async with RedisStore(server.url, [limit], timeout=20.0) as store:
        for cost in (1, 3):
            before = microseconds(server)
            reset_after = (await store.acquire([Ask(limit, "key", cost)], 0)).decision.reset_after // 1000
            after = microseconds(server)
            (key,) = server.stored()
            ends = server.command("PEXPIRETIME", key) * 1000
            assert before + reset_after <= ends <= after + reset_after + 2000


@pytest.mark.parametrize("algorithm", RATES)
async def test_a_key_is_gone_when_its_state_does_not_matter_any_more(server: Valkey, algorithm: AlgorithmName) -> None:
    limit = limit_of(algorithm, 5, 0.03)
    async with RedisStore(server.url, [limit], timeout=20.0) as store:
        await store.acquire([Ask(limit, "key", 4)], 0)
        await until(lambda: server.stored() == [])
        assert (await store.acquire([Ask(limit, "key", 4)], 0)).decision.allowed


def microseconds(server: Valkey) -> int:
    """The server's clock."""
    seconds, more = server.command("TIME")
    return int(seconds) * 1_000_000 + int(more)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_no_key_is_ever_without_an_end(server: Valkey, algorithm: AlgorithmName) -> None:
    """Seed 004: INCR, then EXPIRE, is not atomic; a crash between them blocks a client for ever."""
    limit = limit_of(algorithm, 5)
    async with RedisStore(server.url, [limit], timeout=20.0) as store:
        for cost in (1, 2, 9, 0):
            await store.acquire([Ask(limit, "key", cost)], 0)
        for key in server.stored():
            assert server.command("PTTL", key) > 0


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_refusal_and_a_question_write_nothing(server: Valkey, algorithm: AlgorithmName) -> None:
    limit = limit_of(algorithm, 5)
    async with RedisStore(server.url, [limit], timeout=20.0) as store:
        await store.acquire([Ask(limit, "key", 9)], 0)
        await store.acquire([Ask(limit, "key", 0)], 0)
        assert server.stored() == []
        await store.acquire([Ask(limit, "key", 3)], 0)
        (key,) = server.stored()
        before = server.command("DUMP", key), server.command("PEXPIRETIME", key)
        assert not (await store.acquire([Ask(limit, "key", 4)], 0)).decision.allowed
        assert (server.command("DUMP", key), server.command("PEXPIRETIME", key)) == before


@pytest.mark.parametrize("algorithm", ["token_bucket", "gcra", "leaky_bucket"])
async def test_a_small_burst_of_a_fast_limit_is_a_limit(server: Valkey, algorithm: AlgorithmName) -> None:
    """throttled-py 3.5: a TTL of 0 deletes the key, so that 10/s with a burst of 4 admitted 1000 of 1000."""
    limit = Limit("fast", algorithm, 10, 1.0, 4)
    async with RedisStore(server.url, [limit], timeout=20.0) as store:
        started = asyncio.get_running_loop().time()
        grants = await asyncio.gather(*(store.acquire([Ask(limit, "key")], 0) for _ in range(1000)))
        passed = asyncio.get_running_loop().time() - started
    assert 4 <= sum(grant.decision.allowed for grant in grants) <= 4 + 10 * passed + 1


async def test_a_limit_that_changes_its_algorithm_begins_anew(server: Valkey) -> None:
    """limits 5.8: fixed and moving windows share one key, and the switch is a WRONGTYPE."""
    for algorithm in ALGORITHMS:
        limit = Limit("same name", algorithm, 3, HOUR)
        async with RedisStore(server.url, [limit], timeout=20.0) as store:
            grants = [await store.acquire([Ask(limit, "key")], 0) for _ in range(5)]
            admitted = sum(grant.decision.allowed for grant in grants)
            assert (admitted, store.errors) == (4 if algorithm == "leaky_bucket_queue" else 3, 0)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_refused_cost_does_not_burn_what_is_left(server: Valkey, algorithm: AlgorithmName) -> None:
    """limits 5.8, fixed window: a refused cost of 5 with 3 left burns the 3."""
    limit = limit_of(algorithm, 10)
    async with RedisStore(server.url, [limit], timeout=20.0) as store:
        most = store.most(limit)
        await store.acquire([Ask(limit, "key", most - 3)], 0)
        assert not (await store.acquire([Ask(limit, "key", 5)], 0)).decision.allowed
        left = [(await store.acquire([Ask(limit, "key")], 0)).decision.allowed for _ in range(4)]
        assert left == [True, True, True, False]


async def test_one_limit_s_refusal_charges_no_other(server: Valkey) -> None:
    roomy, tight = limit_of("gcra", 100), limit_of("fixed_window", 1)
    async with RedisStore(server.url, [roomy, tight], timeout=20.0) as store:
        for _ in range(10):
            await store.acquire([Ask(roomy, "key"), Ask(tight, "key")], 0)
        assert (await store.acquire([Ask(roomy, "key", 0)], 0)).decision.remaining == 99


class Load:
    """Ten tasks that ask without end, and what they were told."""

    def __init__(self, store: RedisStore, limit: Limit) -> None:
        self.grants: list[Grant] = []
        self.slowest = 0.0
        self._store, self._limit = store, limit
        self._tasks = [asyncio.create_task(self._ask(number)) for number in range(10)]

    async def _ask(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            self.grants.append(await self._store.acquire([Ask(self._limit, f"key-{number}")], round(started * 1e9)))
            self.slowest = max(self.slowest, loop.time() - started)
            await asyncio.sleep(0.001)

    async def until_told(self, degraded: str, times: int = 50) -> None:
        wanted = self.count(degraded) + times
        await until(lambda: self.count(degraded) >= wanted)

    def count(self, degraded: str) -> int:
        return sum(grant.degraded == degraded for grant in self.grants)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        assert all(task.cancelled() for task in self._tasks)


@asynccontextmanager
async def load(store: RedisStore, limit: Limit) -> AsyncIterator[Load]:
    asking = Load(store, limit)
    try:
        yield asking
    finally:
        await asking.end()


@pytest.mark.parametrize("policy", get_args(OnStoreError))
async def test_a_server_killed_and_restarted_under_load(policy: OnStoreError) -> None:
    limit = Limit("limit", "fixed_window", 1_000_000, HOUR) if policy == "admit" else limit_of("gcra", 40)
    with valkey() as server:
        async with RedisStore(server.url, [limit], on_store_error=policy, gateways=4, timeout=20.0) as store:
            async with load(store, limit) as asking:
                await asking.until_told("")
                server.kill()
                await asking.until_told(policy)
                await server.start()
                await asking.until_told("")
            told = [grant for grant in asking.grants if grant.degraded]
            assert asking.slowest < 5.0, "nobody waited for the timeout"
            assert (store.outages, store.reachable, store.errors) == (1, True, 0)
            assert store.degraded == len(told)
            admitted = [grant for grant in told if grant.decision.allowed]
            if policy == "admit":
                assert len(admitted) == len(told)
            elif policy == "refuse":
                assert admitted == []
            else:
                assert len(admitted) == 10 * (40 // 4), "ten keys, and a quarter of the limit for each"


async def test_a_server_that_forgets_its_scripts_under_load(server: Valkey) -> None:
    one, other = limit_of("gcra", 300), limit_of("sliding_window_log", 300)
    async with RedisStore(server.url, [one, other], timeout=20.0) as store:
        await store.connect()
        stop = asyncio.Event()
        asked = 0
        admitted = {one: 0, other: 0}

        async def ask(limit: Limit) -> None:
            nonlocal asked
            while not stop.is_set():
                grant = await store.acquire([Ask(limit, "key")], 0)
                admitted[limit] += grant.decision.allowed
                asked += 1

        tasks = [asyncio.create_task(ask(limit)) for limit in (one, other) * 10]
        for round_ in range(20):
            server.command("SCRIPT", "FLUSH")
            await until(lambda: asked >= 50 * (round_ + 1))  # noqa: B023  # it is called in this round only
        stop.set()
        await asyncio.gather(*tasks)
        assert admitted == {one: 300, other: 300}
        assert store.repeated >= 20, "most rounds begin with a question that has to be repeated"
        assert (store.degraded, store.errors, store.outages) == (0, 0, 0)


async def test_a_server_that_pauses_costs_one_timeout_and_is_back_by_itself(server: Valkey) -> None:
    limit = limit_of("gcra", 100)
    async with RedisStore(server.url, [limit], on_store_error="refuse", timeout=0.1) as store:
        await store.connect()
        server.command("CLIENT", "PAUSE", "500")
        loop = asyncio.get_running_loop()
        started = loop.time()
        grants = await asyncio.gather(*(store.acquire([Ask(limit, "key")], 0) for _ in range(20)))
        assert {grant.degraded for grant in grants} == {"refuse"}
        assert 0.09 < loop.time() - started < 0.45
        assert (await store.acquire([Ask(limit, "key")], 0)).degraded == "refuse"
        assert loop.time() - started < 0.49, "the next did not wait"
        await until(lambda: store.reachable)
        assert (await store.acquire([Ask(limit, "key")], 0)).degraded == ""
        assert store.outages == 1


async def test_a_server_without_memory_is_out_of_reach_until_it_has_some(server: Valkey) -> None:
    limit = limit_of("gcra", 100)
    async with RedisStore(server.url, [limit], timeout=20.0) as store:
        await store.connect()
        server.command("CONFIG", "SET", "maxmemory", "1")
        try:
            assert (await store.acquire([Ask(limit, "key")], 0)).degraded == "admit"
            await until(lambda: not store.reachable)
        finally:
            server.command("CONFIG", "SET", "maxmemory", "0")
        await until(lambda: store.reachable)
        assert (await store.acquire([Ask(limit, "key")], 0)).degraded == ""
        assert (store.outages, store.errors) == (1, 0)


async def test_a_key_that_somebody_else_spoiled_concerns_its_caller_alone(server: Valkey) -> None:
    limit = limit_of("gcra", 100)
    async with RedisStore(server.url, [limit], on_store_error="refuse", timeout=20.0) as store:
        await store.acquire([Ask(limit, "spoiled")], 0)
        (key,) = server.stored()
        server.command("DEL", key)
        server.command("LPUSH", key, "x")
        spoiled, other = await asyncio.gather(
            store.acquire([Ask(limit, "spoiled")], 0), store.acquire([Ask(limit, "other")], 0)
        )
        assert (spoiled.degraded, other.degraded) == ("refuse", "")
        assert (store.errors, store.degraded, store.outages, store.reachable) == (1, 1, 0, True)


async def test_a_wrong_password_is_an_outage_with_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with valkey() as server:
        server.protect("right")
        limit = limit_of("gcra", 100)
        async with RedisStore(f"redis://:hunter2@127.0.0.1:{server.port}", [limit], on_store_error="refuse") as store:
            for _ in range(20):
                assert (await store.acquire([Ask(limit, "key")], 0)).degraded == "refuse"
        (line,) = caplog.records
        assert "invalid username-password pair" in line.getMessage()
        assert "hunter2" not in caplog.text


async def test_what_nobody_can_answer_is_refused_before_it_is_asked(server: Valkey) -> None:
    limit = limit_of("gcra", 100)
    async with RedisStore(server.url, [limit], timeout=20.0) as store:
        with pytest.raises(ValueError, match="at least one ask"):
            await store.acquire([], 0)
        with pytest.raises(ValueError, match="must not be negative"):
            await store.acquire([Ask(limit, "key", -1)], 0)


@pytest.mark.parametrize(
    "options",
    [{"timeout": 0.0}, {"prefix": "{"}, {"on_store_error": "shrug"}, {"gateways": 0}, {"place_lease": 0.0}],
)
def test_an_option_that_is_none_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        RedisStore("redis://localhost", [limit_of("gcra", 1)], **options)  # type: ignore[arg-type]


def test_two_limits_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="same name"):
        RedisStore("redis://localhost", [Limit("a", "gcra", 1), Limit("a", "gcra", 2)])


async def test_stores_with_other_prefixes_share_nothing(server: Valkey) -> None:
    limit = limit_of("gcra", 1)
    for prefix in ("blue", "green"):
        async with RedisStore(server.url, [limit], prefix=prefix, timeout=20.0) as store:
            assert (await store.acquire([Ask(limit, "key")], 0)).decision.allowed
    assert [key.partition(":")[0] for key in server.stored()] == ["{blue}", "{green}"]
