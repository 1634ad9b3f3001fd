import asyncio

from api_gateway.plotting.fleet.distant_store import DistantStore, Network
from api_gateway.rate_limiting import GCRA
from api_gateway.rate_limiting.limit_store import Ask, Grant, Limit
from api_gateway.rate_limiting.memory_store import MemoryStore
from api_gateway.rate_limiting.redis.fallback import OnStoreError
from api_gateway.simulation import run

LIMIT = Limit("l", "gcra", 10, 1.0, 2)
CUT = Network(delay=0.01, cut_from=1.0, cut_until=3.0, timeout=0.5)


def store(network: Network = CUT, policy: OnStoreError = "refuse") -> DistantStore:
    return DistantStore(MemoryStore({LIMIT: GCRA(10, 1, 2)}), network, policy, gateways=2)


async def ask_at(subject: DistantStore, second: float) -> tuple[float, Grant]:
    """When the answer came, and the answer."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(second - loop.time())
    grant = await subject.acquire([Ask(LIMIT, "k")], round(second * 1e9))
    return round(loop.time(), 6), grant


def test_an_answer_takes_the_way_there_and_back() -> None:
    async def main() -> None:
        came, grant = await ask_at(store(), 0.5)
        assert came == 0.52
        assert grant.decision.allowed
        assert grant.degraded == ""

    run(main)


def test_the_limit_is_that_of_all_who_share_the_server() -> None:
    async def main() -> list[bool]:
        server = MemoryStore({LIMIT: GCRA(10, 1, 2)})
        stores = [DistantStore(server, CUT) for _ in range(3)]
        return [(await ask_at(one, 0.1))[1].decision.allowed for one in stores]

    assert run(main) == [True, True, False]


def test_who_asks_when_the_network_is_just_cut_waits_for_the_timeout() -> None:
    async def main() -> None:
        came, grant = await ask_at(store(), 1.2)
        assert came == 1.5
        assert grant.degraded == "refuse"

    run(main)


def test_later_nobody_waits_and_after_it_the_server_is_asked_again() -> None:
    async def main() -> None:
        subject = store(policy="local")
        came, grant = await ask_at(subject, 2.0)
        assert (came, grant.degraded, grant.decision.limit) == (2.0, "local", 1)
        came, grant = await ask_at(subject, 3.0)
        assert (came, grant.degraded, grant.decision.limit) == (3.02, "", 2)

    run(main)


def test_the_server_seems_to_be_there_until_the_timeout() -> None:
    async def main() -> list[bool]:
        subject, seen = store(), []
        for _ in range(5):
            seen.append(subject.reachable)
            await asyncio.sleep(0.8)
        return seen

    assert run(main) == [True, True, False, False, True]  # at 0, 0.8, 1.6, 2.4 and 3.2 s


def test_it_knows_the_most_of_a_limit() -> None:
    assert store().most(LIMIT) == 2
