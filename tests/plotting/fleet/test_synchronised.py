import asyncio

from api_gateway.plotting.fleet.synchronised import SynchronisedStore, synchronise
from api_gateway.rate_limiting.limit_store import Ask, Limit
from api_gateway.simulation import run

LIMIT = Limit("l", "gcra", 1, 60.0, 3)


async def admitted(store: SynchronisedStore, key: str, times: int) -> int:
    now = round(asyncio.get_running_loop().time() * 1e9)
    return sum([(await store.acquire([Ask(LIMIT, key)], now)).decision.allowed for _ in range(times)])


def test_each_admits_the_whole_limit_until_it_is_told() -> None:
    async def main() -> list[int]:
        stores = [SynchronisedStore(LIMIT) for _ in range(2)]
        return [await admitted(store, "k", 5) for store in stores]

    assert run(main) == [3, 3]


def test_what_others_admitted_is_charged_when_it_is_told() -> None:
    async def main() -> list[int]:
        stores = [SynchronisedStore(LIMIT) for _ in range(3)]
        telling = asyncio.create_task(synchronise(stores, 0.5))
        first = await admitted(stores[0], "k", 2)
        await asyncio.sleep(0.75)
        counts = [first, *[await admitted(store, "k", 5) for store in stores], await admitted(stores[1], "other", 5)]
        telling.cancel()
        return counts

    assert run(main) == [2, 1, 1, 1, 3]


def test_what_was_told_once_is_not_told_again() -> None:
    async def main() -> int:
        stores = [SynchronisedStore(LIMIT._replace(burst=9)) for _ in range(2)]
        limit = LIMIT._replace(burst=9)
        telling = asyncio.create_task(synchronise(stores, 0.5))
        await stores[0].acquire([Ask(limit, "k", 2)], 0)
        await asyncio.sleep(1.75)
        grant = await stores[1].acquire([Ask(limit, "k", 0)], 1_750_000_000)
        telling.cancel()
        return grant.decision.remaining

    stores_know = 7  # nine, less the two that the other admitted
    assert run(main) == stores_know
