"""Whatever dies, and whoever keeps asking: a window ends."""

from __future__ import annotations

import asyncio

from broken import Command, RedisLimiter

from api_gateway.simulation import run

LATENCY = 0.010


class FakeRedis:
    """Five commands, a clock of its own, and a network on which every message takes five milliseconds."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[int, float]] = {}

    async def execute(self, *commands: Command) -> list[int | None]:
        await asyncio.sleep(LATENCY / 2)
        replies = [self._reply(*(str(part) for part in command)) for command in commands]
        await asyncio.sleep(LATENCY / 2)
        return replies

    def _reply(self, name: str, key: str, *rest: str) -> int | None:
        now = asyncio.get_running_loop().time()
        if key in self.kept and self.kept[key][1] <= now:
            del self.kept[key]
        value, ends = self.kept.get(key, (0, float("inf")))
        match name.upper(), rest:
            case "GET", ():
                return value if key in self.kept else None
            case "INCR", ():
                self.kept[key] = (value + 1, ends)
                return value + 1
            case "TTL", ():
                return -2 if key not in self.kept else -1 if ends == float("inf") else round(ends - now)
            case "EXPIRE", (seconds, *options):
                if key not in self.kept or ("NX" in options and ends != float("inf")):
                    return 0
                self.kept[key] = (value, now + int(seconds))
                return 1
            case "SET", (new, *options):
                if "NX" in options and key in self.kept:
                    return None
                until = now + int(options[options.index("EX") + 1]) if "EX" in options else float("inf")
                self.kept[key] = (int(new), until)
                return 1
        raise AssertionError(f"this Redis has no such command: {name} {rest}")


def test_a_limit_is_a_limit() -> None:
    async def scenario() -> list[bool]:
        limiter = RedisLimiter(FakeRedis(), 3, 60)
        return [await limiter.acquire("k") for _ in range(5)] + [await limiter.acquire("other")]

    assert run(scenario) == [True] * 3 + [False] * 2 + [True], "3 of 5 are admitted, and another key has its own limit"


def test_ten_gateways_at_once_admit_no_more() -> None:
    async def scenario() -> int:
        store = FakeRedis()
        limiters = [RedisLimiter(store, 3, 60) for _ in range(10)]
        return sum(await asyncio.gather(*(limiter.acquire("k") for limiter in limiters)))

    admitted = run(scenario)
    assert admitted == 3, f"ten gateways asked at the same moment and admitted {admitted} of a limit of 3"


def test_a_gateway_that_dies_at_any_moment_blocks_nobody_for_ever() -> None:
    async def scenario(lifetime: float) -> bool:
        store = FakeRedis()
        dying = asyncio.create_task(RedisLimiter(store, 1, 60).acquire("k"))
        await asyncio.sleep(lifetime)
        dying.cancel()
        await asyncio.wait([dying])
        limiter = RedisLimiter(store, 1, 60)
        # The client comes back once in an hour. It may find the window of its last visit, but not always.
        for _ in range(3):
            await asyncio.sleep(3600)
            if await limiter.acquire("k"):
                return True
        return False

    for milliseconds in range(50):
        admitted = run(scenario, milliseconds / 1000 + 0.0005)
        assert admitted, (
            f"the gateway died {milliseconds} ms after the request had come: the client, which asks once an hour, "
            "is refused for ever, because its counter has no expiry"
        )


def test_a_client_that_never_stops_asking_is_admitted_in_every_window() -> None:
    async def scenario() -> list[int]:
        limiter = RedisLimiter(FakeRedis(), 3, 60)
        admitted = []
        for second in range(0, 600, 5):
            if await limiter.acquire("k"):
                admitted.append(second)
            await asyncio.sleep(5 - LATENCY)
        return admitted

    admitted = run(scenario)
    assert 24 <= len(admitted) <= 33, (
        f"3 a minute for ten minutes are about 30; admitted were {len(admitted)}: {admitted}"
    )
    assert admitted[-1] > 530, f"a client that asks every 5 s was admitted at {admitted[-1]} s for the last time"
