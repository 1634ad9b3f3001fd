"""Leases: how much less is asked of the server, and how far what is admitted strays from the limit."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest

from api_gateway.rate_limiting.limit_store import Ask, Limit
from api_gateway.rate_limiting.rate_limiter import Decision
from api_gateway.rate_limiting.redis import LeaseStore, RedisStore
from tests.support.sockets import refused_port
from tests.support.valkey import Valkey, set_time, store_with_time

SECOND = 1_000_000  # microseconds, as the server counts here
WINDOW = Limit("window", "fixed_window", 60, 1.0)
BUCKET = Limit("bucket", "gcra", 60, 1.0, 20)
LIMITS = [WINDOW, BUCKET, Limit("places", "concurrency", 5), Limit("queue", "leaky_bucket_queue", 60, 1.0)]


class Fleet:
    """Gateways with leases, and one clock for all."""

    def __init__(self, gateways: Sequence[LeaseStore]) -> None:
        self.gateways = gateways

    async def ask(self, gateway: int, limit: Limit, now: int, cost: int = 1) -> Decision:
        store = self.gateways[gateway]
        await set_time(store.shared, now)
        grant = await store.acquire([Ask(limit, "key", cost)], now * 1000)
        assert not grant.degraded
        return grant.decision

    async def admitted(self, gateway: int, limit: Limit, now: int, asked: int) -> int:
        return sum([(await self.ask(gateway, limit, now)).allowed for _ in range(asked)])


@asynccontextmanager
async def fleet(
    server: Valkey, count: int, lease: int, lasts: float = 1.0, max_keys: int = 1000
) -> AsyncIterator[Fleet]:
    async with AsyncExitStack() as stack:
        gateways = [
            LeaseStore(store_with_time(server.url, LIMITS), lease, lasts=lasts, max_keys=max_keys) for _ in range(count)
        ]
        for gateway in gateways:
            stack.push_async_callback(gateway.close)
        yield Fleet(gateways)


async def test_k_requests_are_one_round_trip(server: Valkey) -> None:
    async with fleet(server, 1, lease=10) as gateways:
        assert await gateways.admitted(0, WINDOW, 0, 60) == 60
        assert gateways.gateways[0].round_trips == 6
        assert await gateways.admitted(0, WINDOW, 0, 40) == 0
        assert gateways.gateways[0].round_trips == 8, "ten, then one; and a refusal is remembered"
        assert await gateways.admitted(0, WINDOW, SECOND, 5) == 5, "until it ends"


async def test_who_only_looks_sees_what_is_leased_as_left_and_takes_nothing(server: Valkey) -> None:
    async with fleet(server, 1, lease=10) as gateways:
        await gateways.ask(0, WINDOW, 0)
        looks = [await gateways.ask(0, WINDOW, 0, cost=0) for _ in range(3)]
        assert {look.remaining for look in looks} == {59}, "nine of them leased, fifty in the server"
        assert (await gateways.ask(0, WINDOW, 0)).remaining == 58
        assert (await gateways.ask(0, WINDOW, 0, cost=58)).allowed


async def test_alone_it_admits_exactly_the_limit_and_says_what_is_left(server: Valkey) -> None:
    async with fleet(server, 1, lease=7) as gateways:
        decisions = [await gateways.ask(0, WINDOW, 250_000) for _ in range(61)]
        assert [decision.remaining for decision in decisions] == [*range(59, -1, -1), 0]
        assert {decision.reset_after for decision in decisions} == {750_000_000}
        assert decisions[-1] == Decision(False, 60, 0, 750_000_000, 750_000_000)
        again = await gateways.ask(0, WINDOW, 650_000)
        assert again == Decision(False, 60, 0, 350_000_000, 350_000_000)


async def test_near_the_end_what_is_left_is_given_out_one_by_one(server: Valkey) -> None:
    async with fleet(server, 2, lease=50) as gateways:
        assert await gateways.admitted(0, WINDOW, 0, 50) == 50
        assert await gateways.admitted(1, WINDOW, 0, 20) == 10


async def test_one_that_is_dear_takes_what_is_missing(server: Valkey) -> None:
    async with fleet(server, 1, lease=10) as gateways:
        assert (await gateways.ask(0, WINDOW, 0, 4)).remaining == 56
        assert (await gateways.ask(0, WINDOW, 0, 30)).remaining == 26
        assert gateways.gateways[0].round_trips == 2
        assert (await gateways.ask(0, WINDOW, 0, 27)).retry_after is not None
        assert (await gateways.ask(0, WINDOW, 0, 61)).retry_after is None
        assert (await gateways.ask(0, WINDOW, 0, 26)).allowed


async def test_too_many_at_worst_a_lease_for_each_gateway(server: Valkey) -> None:
    """The worst case, driven to the bound: taken at the end of one window, and spent in the next."""
    count, lease = 3, 10
    async with fleet(server, count, lease, lasts=1.0) as gateways:
        for gateway in range(count):
            await gateways.ask(gateway, WINDOW, SECOND - 1)
        total = 0
        for gateway in range(count):
            total += await gateways.admitted(gateway, WINDOW, SECOND, 100)
        assert total == WINDOW.limit + count * (lease - 1)
        assert total <= WINDOW.limit + count * lease


async def test_too_few_at_worst_what_the_others_hold(server: Valkey) -> None:
    count, lease = 3, 20
    async with fleet(server, count, lease, lasts=0.25) as gateways:
        for gateway in range(count):
            assert (await gateways.ask(gateway, WINDOW, 0)).allowed
        assert await gateways.admitted(0, WINDOW, 0, 100) == lease - 1, "the others hold the rest of the sixty"
        assert await gateways.admitted(0, WINDOW, 250_000, 100) == 0
        assert await gateways.admitted(1, WINDOW, 250_000, 100) == 0, "its lease is over, and what it held is lost"
        used = 3 + lease - 1
        assert WINDOW.limit - used == (count - 1) * (lease - 1)


@pytest.mark.parametrize("seed", range(5))
async def test_no_traffic_gets_more_than_the_bound_in_any_time(server: Valkey, seed: int) -> None:
    chance = random.Random(seed)
    count, lease, lasts = 3, 4, 0.05
    async with fleet(server, count, lease, lasts) as gateways:
        now, times = 0, []
        for _ in range(500):
            now += chance.choice((0, 0, 100, 5_000, 30_000))
            if (await gateways.ask(chance.randrange(count), BUCKET, now)).allowed:
                times.append(now)
    span, burst, worth = round(lasts * SECOND), 20, SECOND / 60
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            passed, admitted = times[last] - start, last - first + 1
            assert admitted <= burst + passed / worth + 1 + count * lease
            assert admitted <= burst + (passed + span) / worth + 1


async def test_what_is_left_is_lost_when_the_lease_is_over(server: Valkey) -> None:
    async with fleet(server, 1, lease=30, lasts=0.1) as gateways:
        assert (await gateways.ask(0, WINDOW, 0)).remaining == 59
        assert (await gateways.ask(0, WINDOW, 99_999)).remaining == 58
        assert (await gateways.ask(0, WINDOW, 100_000)).remaining == 29, "of sixty, thirty are lost but for two"


async def test_what_is_taken_anew_lasts_anew(server: Valkey) -> None:
    async with fleet(server, 1, lease=10, lasts=0.1) as gateways:
        for number in range(10):
            await gateways.ask(0, WINDOW, number)
        assert (await gateways.ask(0, WINDOW, 90_000)).allowed
        assert gateways.gateways[0].round_trips == 2
        assert (await gateways.ask(0, WINDOW, 189_999)).allowed
        assert gateways.gateways[0].round_trips == 2
        assert (await gateways.ask(0, WINDOW, 190_000)).remaining == 60 - 20 - 1
        assert gateways.gateways[0].round_trips == 3


async def test_many_at_once_ask_once(server: Valkey) -> None:
    async with fleet(server, 1, lease=50) as gateways:
        decisions = await asyncio.gather(*(gateways.ask(0, WINDOW, 0) for _ in range(100)))
        assert sum(decision.allowed for decision in decisions) == 60
        assert gateways.gateways[0].round_trips <= 1 + 2 * 10 + 2


async def test_one_that_is_cancelled_while_it_asks_holds_nobody_up(server: Valkey) -> None:
    async with fleet(server, 1, lease=10) as gateways:
        await set_time(gateways.gateways[0].shared, 0)
        asking = asyncio.create_task(gateways.ask(0, WINDOW, 0))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting = [asyncio.create_task(gateways.ask(0, WINDOW, 0)) for _ in range(5)]
        await asyncio.sleep(0)
        asking.cancel()
        waiting[0].cancel()
        with suppress(asyncio.CancelledError):
            await asking
        assert all([(await task).allowed for task in waiting[1:]])


async def test_what_cannot_be_leased_is_asked_of_the_server_each_time(server: Valkey) -> None:
    async with fleet(server, 1, lease=10) as gateways:
        store = gateways.gateways[0]
        await set_time(store.shared, 0)
        held = await store.acquire([Ask(LIMITS[2], "key")], 0)
        assert held.release is not None
        assert held.decision.remaining == 4
        assert (await store.acquire([Ask(LIMITS[3], "key")], 0)).decision.remaining == 60
        both = await store.acquire([Ask(WINDOW, "key"), Ask(BUCKET, "key")], 0)
        assert [decision.remaining for decision in both.decisions] == [59, 19]
        assert (await store.acquire([Ask(WINDOW, "key", 0)], 0)).decision.remaining == 59
        assert store.round_trips == 4


async def test_a_key_for_which_there_is_no_room_is_asked_of_the_server_each_time(server: Valkey) -> None:
    async with fleet(server, 1, lease=10, max_keys=1) as gateways:
        store = gateways.gateways[0]
        await set_time(store.shared, 0)
        for key in ("first", "second", "second", "second", "first"):
            assert (await store.acquire([Ask(WINDOW, key)], 0)).decision.allowed
        assert store.round_trips == 4
        second = await store.acquire([Ask(WINDOW, "second", 0)], 0)
        assert second.decision.remaining == 57, "and charged for what it asked"


async def test_without_a_server_each_request_is_decided_by_itself() -> None:
    shared = RedisStore(f"redis://127.0.0.1:{refused_port()}", LIMITS, on_store_error="local", gateways=6)
    store = LeaseStore(shared, 50)
    grants = [await store.acquire([Ask(WINDOW, "key")], 0) for _ in range(20)]
    assert {grant.degraded for grant in grants} == {"local"}
    assert sum(grant.decision.allowed for grant in grants) == 10
    with pytest.raises(ValueError, match="at least one ask"):
        await store.acquire([], 0)
    await store.close()


@pytest.mark.parametrize(("lease", "lasts"), [(0, 1.0), (1, 0.0), (1, float("inf"))])
def test_a_lease_of_nothing_is_refused(lease: int, lasts: float) -> None:
    with pytest.raises(ValueError, match="must"):
        LeaseStore(RedisStore("redis://localhost", LIMITS), lease, lasts=lasts)
