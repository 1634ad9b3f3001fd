"""Two gateways, each a process, with one store in a real Valkey: what one has fetched or forgotten, both have."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx2 as httpx
import pytest
import pytest_asyncio

from tests.support.cache_cases import Rig, asked, cache_rig
from tests.support.cache_origin import Answer, Script
from tests.support.gateway_process import eventually
from tests.support.raw_client import RawClient, RawResponse, connect
from tests.support.valkey import Valkey, valkey

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR = "cache-control: max-age=3600"
STALE = "cache-control: max-age=60\nage: 100"
ONLY_KEPT = ("cache-control", "only-if-cached, max-stale")


class Two:
    """A connection to each of two gateways, and the origin behind both."""

    def __init__(self, rig: Rig, clients: tuple[RawClient, RawClient]) -> None:
        self.rig = rig
        self.clients = clients

    def plays(self, name: str, *answers: Answer) -> Script:
        return self.rig.origin.plays(name, *answers)

    async def ask(self, gateway: int, path: str, *fields: tuple[str, str], method: str = "GET") -> RawResponse:
        return await asked(self.clients[gateway], path, fields, method)

    async def until_kept(self, gateway: int, path: str, *fields: tuple[str, str], wanted: bytes = b"") -> None:
        """Writes to a distant store happen beside the answer: wait until a gateway finds it, without the origin."""

        async def found() -> bool:
            answer = await self.ask(gateway, path, ONLY_KEPT, *fields)
            return answer.status != 504 and wanted in answer.body

        await eventually(found)

    async def until_forgotten(self, gateway: int, path: str) -> None:
        async def gone() -> bool:
            return (await self.ask(gateway, path, ONLY_KEPT)).status == 504

        await eventually(gone)


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def rigs(server: Valkey) -> AsyncIterator[tuple[Rig, Rig]]:
    async with cache_rig(store=server.url) as first, cache_rig(first.origin, store=server.url) as second:
        yield first, second


@asynccontextmanager
async def connected(first: Rig, second: Rig) -> AsyncIterator[Two]:
    async with connect(first.port) as one, connect(second.port) as other:
        yield Two(first, (one, other))


@pytest_asyncio.fixture(loop_scope="module")
async def two(rigs: tuple[Rig, Rig]) -> AsyncIterator[Two]:
    async with connected(*rigs) as running:
        yield running


async def test_what_one_has_fetched_the_other_serves_byte_for_byte(two: Two) -> None:
    body = bytes(range(256)) * 40
    script = two.plays("bytes", Answer(f'{HOUR}\nage: 30\netag: "a"\nlink: </a>\nlink: </b>\nx-text: \xfc', body=body))
    await two.ask(0, "bytes")
    await two.until_kept(1, "bytes")
    answer = await two.ask(1, "bytes")
    assert (answer.status, answer.body) == (200, body)
    assert [value for name, value in answer.headers if name == "link"] == ["</a>", "</b>"]
    assert (answer.header("etag"), answer.header("x-text")) == ('"a"', "\xfc")
    assert 30 <= int(answer.header("age") or "") < 60
    assert "; hit" in (answer.header("cache-status") or "")
    assert (await two.ask(1, "bytes", ("if-none-match", '"a"'))).status == 304
    assert (await two.ask(1, "bytes", ("range", "bytes=1-2"))).body == b"\x01\x02"
    assert len(script.received) == 1


async def test_variants_are_found_by_both(two: Two) -> None:
    script = two.plays("variants", Answer(f"{HOUR}\nvary: foo"))
    for number in range(4):
        await two.ask(number % 2, "variants", ("foo", str(number)))
        await two.until_kept(1 - number % 2, "variants", ("foo", str(number)))
    for number in range(4):
        for gateway in (0, 1):
            answer = await two.ask(gateway, "variants", ("foo", str(number)))
            assert answer.body == f"variants {number}".encode()
    assert (await two.ask(0, "variants", ("foo", "9"), ONLY_KEPT)).status == 504
    assert len(script.received) == 4


async def test_a_change_through_one_is_seen_by_the_other(two: Two) -> None:
    script = two.plays("change", Answer(HOUR), Answer(""), Answer(HOUR))
    await two.ask(0, "change")
    await two.until_kept(1, "change")
    assert (await two.ask(1, "change", method="DELETE")).status == 200
    assert (await two.ask(0, "change")).body == b"change 2"
    assert len(script.received) == 3


async def test_what_one_has_validated_is_fresh_for_the_other(two: Two) -> None:
    script = two.plays("validated", Answer(f'{STALE}\netag: "a"\nx-a: 1'), Answer(f'{HOUR}\netag: "a"\nx-a: 2'))
    await two.ask(0, "validated")
    await two.until_kept(1, "validated")
    answer = await two.ask(1, "validated")
    assert (answer.body, answer.header("x-a")) == (b"validated 0", "2")

    async def fresh() -> bool:
        return (await two.ask(0, "validated", ("cache-control", "only-if-cached"))).status == 200

    await eventually(fresh)
    answer = await two.ask(0, "validated")
    assert (answer.body, answer.header("x-a")) == (b"validated 0", "2")
    assert [request.field("if-none-match") for request in script.received] == [None, '"a"']


async def test_what_was_cut_through_one_is_not_with_the_other(two: Two, rigs: tuple[Rig, Rig]) -> None:
    two.plays("cut", Answer(HOUR, framing="cut"), Answer(HOUR))
    async with connect(rigs[0].port) as client:
        assert (await asked(client, "cut")).cut
    assert (await two.ask(1, "cut")).body == b"cut 1"
    await two.until_kept(0, "cut", wanted=b"cut 1")


async def test_what_is_not_for_all_is_with_neither(two: Two) -> None:
    lines = (
        "cache-control: no-store",
        "cache-control: private, max-age=60",
        f"{HOUR}\nset-cookie: a=b",
        f"{HOUR}\nvary: *",
    )
    for number, line in enumerate(lines):
        script = two.plays(f"own-{number}", Answer(line))
        for gateway in (0, 1, 0, 1):
            await two.ask(gateway, f"own-{number}")
        assert len(script.received) == 4


async def test_a_purge_at_one_is_a_purge_for_both(two: Two, rigs: tuple[Rig, Rig]) -> None:
    two.plays("purged", Answer(HOUR))
    await two.ask(0, "purged")
    await two.until_kept(1, "purged")
    async with httpx.AsyncClient(trust_env=False) as admin:
        url = rigs[0].gateway.admin_url + "/cache/purge"
        answer = await admin.post(url, json={"url": "http://shop.example/purged"})
    assert answer.status_code == 200, answer.text
    await two.until_forgotten(1, "purged")
    assert (await two.ask(1, "purged")).body == b"purged 1"


async def test_gateways_with_other_prefixes_do_not_share(server: Valkey, two: Two, rigs: tuple[Rig, Rig]) -> None:
    script = two.plays("prefix", Answer(HOUR))
    await two.ask(0, "prefix")
    await two.until_kept(1, "prefix")
    async with (
        cache_rig(rigs[0].origin, store=server.url, store_prefix="another") as other,
        connect(other.port) as client,
    ):
        assert (await asked(client, "prefix")).body == b"prefix 1"
    assert len(script.received) == 2


async def test_a_store_that_stands_still_or_dies_is_a_miss_and_comes_back() -> None:
    with valkey() as own:
        async with cache_rig(store=own.url) as rig, connected(rig, rig) as two:
            script = two.plays("dies", Answer(HOUR))
            await two.ask(0, "dies")
            await two.until_kept(1, "dies")
            with own.frozen():
                assert (await two.ask(0, "dies")).body == b"dies 1"
            own.kill()
            for gateway in (0, 1):
                answer = await two.ask(gateway, "dies")
                assert (answer.status, answer.cut) == (200, False)
            assert len(script.received) == 4
            await own.start()

            async def kept_again() -> bool:
                await two.ask(0, "dies")
                return (await two.ask(1, "dies", ONLY_KEPT)).status == 200

            await eventually(kept_again)
