"""Whoever stays is served, whoever leaves."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

from broken import SingleFlight

from api_gateway.simulation import run


class Origin:
    """Takes a second; fails as often as it is told."""

    def __init__(self, failures: int = 0, seconds: float = 1.0) -> None:
        self.failures = failures
        self.seconds = seconds
        self.calls = self.running = self.most = 0

    async def __call__(self) -> str:
        self.calls += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.running -= 1
        if self.calls <= self.failures:
            raise ConnectionError("no keys today")
        return "keys"


def ask(flight: SingleFlight[str], origin: Origin, key: str = "k") -> asyncio.Task[str]:
    async def client() -> str:
        try:
            async with asyncio.timeout(60):
                return await flight.do(key, origin)
        except TimeoutError:
            return "waited for a minute"
        except ConnectionError:
            return "error"
        except asyncio.InvalidStateError:
            return "broke because another had left"

    return asyncio.create_task(client())


async def outcomes(clients: list[asyncio.Task[str]]) -> Counter[str]:
    await asyncio.wait(clients)
    return Counter("left" if client.cancelled() else client.result() for client in clients)


def test_a_thousand_at_once_make_one_call() -> None:
    async def scenario() -> tuple[Counter[str], int]:
        flight, origin = SingleFlight[str](), Origin()
        answers = await outcomes([ask(flight, origin) for _ in range(1_000)])
        return answers + await outcomes([ask(flight, origin)]), origin.calls

    answers, calls = run(scenario)
    assert answers == {"keys": 1_001}, f"everybody stayed, and got {dict(answers)}"
    assert calls == 2, f"a thousand at once and one later are two calls; {calls} were made"


def test_another_key_is_another_flight() -> None:
    async def scenario() -> int:
        flight, origin = SingleFlight[str](), Origin()
        await outcomes([ask(flight, origin, key) for key in ("a", "b", "a", "c")])
        return origin.most

    assert run(scenario) == 3, "three keys are fetched beside each other, the one that two ask for once"


def test_when_the_first_one_leaves_the_others_are_served() -> None:
    async def scenario() -> tuple[Counter[str], Counter[str]]:
        flight, origin = SingleFlight[str](), Origin()
        clients = [ask(flight, origin) for _ in range(5)]
        await asyncio.sleep(0.5)
        clients[0].cancel()
        return await outcomes(clients), await outcomes([ask(flight, origin)])

    answers, later = run(scenario)
    assert answers == {"left": 1, "keys": 4}, (
        f"the first of five left; the others must have the keys, and: {dict(answers)}"
    )
    assert later == {"keys": 1}, f"who came after all that: {dict(later)}"


def test_when_another_leaves_it_leaves_alone() -> None:
    async def scenario() -> Counter[str]:
        flight, origin = SingleFlight[str](), Origin()
        clients = [ask(flight, origin) for _ in range(5)]
        await asyncio.sleep(0.5)
        clients[2].cancel()
        return await outcomes(clients)

    answers = run(scenario)
    assert answers == {"left": 1, "keys": 4}, f"the third of five left, and took others with it: {dict(answers)}"


def test_a_failure_is_told_to_all_and_kept_for_nobody() -> None:
    async def scenario() -> tuple[Counter[str], Counter[str]]:
        flight, origin = SingleFlight[str](), Origin(failures=1)
        return await outcomes([ask(flight, origin) for _ in range(5)]), await outcomes([ask(flight, origin)])

    answers, later = run(scenario)
    assert answers == {"error": 5}, f"the call failed, and the five who waited for it saw {dict(answers)}"
    assert later == {"keys": 1}, f"the next must ask anew, and saw {dict(later)}"


def test_when_the_last_one_has_gone_the_work_ends() -> None:
    async def scenario() -> tuple[int, Counter[str]]:
        flight, origin = SingleFlight[str](), Origin(seconds=1e9)
        clients = [ask(flight, origin) for _ in range(5)]
        await asyncio.sleep(0.5)
        for client in clients:
            client.cancel()
        await asyncio.wait(clients)
        await asyncio.sleep(0.5)
        running, origin.seconds = origin.running, 1.0
        return running, await outcomes([ask(flight, origin)])

    running, later = run(scenario)
    assert running == 0, f"nobody waits any more, and {running} call goes on, for ever"
    assert later == {"keys": 1}, f"the call hung until all had gone; the next must get a new one, and saw {dict(later)}"


def test_whoever_leaves_whenever_those_who_stay_are_served() -> None:
    async def scenario(seed: int) -> None:
        random, flight, origin = Random(seed), SingleFlight[str](), Origin(failures=0)
        stay: list[asyncio.Task[str]] = []
        leave: list[asyncio.Task[str]] = []
        for _ in range(60):
            client = ask(flight, origin)
            if random.random() < 0.5:
                asyncio.get_running_loop().call_later(random.choice([0, 0.3, 1.0, 1.1]), client.cancel)
                leave.append(client)
            else:
                stay.append(client)
            await asyncio.sleep(random.choice([0, 0, 0.1, 0.9, 1.0]))
        answers = await outcomes(stay)
        assert answers == {"keys": len(stay)}, f"seed {seed}: those who stayed got {dict(answers)}"
        assert origin.most == 1, f"seed {seed}: {origin.most} calls ran at once for one key"
        await outcomes(leave)

    for seed in range(40):
        run(scenario, seed)
