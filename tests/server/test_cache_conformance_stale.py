"""Conformance of the cache, from socket to socket: what is stale, what fails, what is cut."""

from __future__ import annotations

import pytest

from tests.support.cache_cases import Ask, Case, Rig, asked, each
from tests.support.cache_origin import Answer, Framing
from tests.support.gateway_process import eventually
from tests.support.raw_client import connect

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOUR = "cache-control: max-age=3600"
STALE = "cache-control: max-age=60\nage: 100"


def fails(name: str, lines: str, failure: Answer, second: Ask) -> Case:
    return Case(f"stale-{name}", [Answer(f"{STALE}\n{lines}"), failure, Answer(HOUR)], [Ask("miss"), second])


SIE = "cache-control: stale-if-error=600"


@each(
    fails("503", "x: y", Answer("", 503), Ask("miss", status=503)),
    *[fails(f"sie-{status}", SIE, Answer("", status), Ask("stale")) for status in (500, 502, 503, 504)],
    *[fails(f"sie-{status}", SIE, Answer("", status), Ask("miss", status=status)) for status in (400, 404, 429, 501)],
    fails("sie-past", "cache-control: stale-if-error=10", Answer("", 503), Ask("miss", status=503)),
    fails("sie-malformed", "cache-control: stale-if-error=x", Answer("", 503), Ask("miss", status=503)),
    fails("sie-must-revalidate", f"{SIE}, must-revalidate", Answer("", 503), Ask("miss", status=503)),
    fails("sie-proxy-revalidate", f"{SIE}, proxy-revalidate", Answer("", 503), Ask("miss", status=503)),
    fails("sie-no-cache", f'{SIE}, no-cache\netag: "a"', Answer("", 503), Ask("miss", status=503)),
    fails("sie-of-the-request", "x: y", Answer("", 503), Ask("stale", SIE)),
    fails("sie-validated", f'{SIE}\netag: "a"', Answer("", 503), Ask("stale")),
    fails("sie-head", SIE, Answer("", 503), Ask("stale", method="HEAD")),
    fails("sie-condition", f'{SIE}\netag: "a"', Answer("", 503), Ask("stale", 'if-none-match: "a"', status=304)),
    Case(
        "stale-500-keeps-the-stored",
        [Answer(f'{STALE}\netag: "a"'), Answer("", 500), Answer(f'{HOUR}\netag: "a"')],
        [Ask("miss"), Ask("miss", status=500), Ask("validated"), Ask("hit")],
    ),
    Case(
        "stale-503-with-a-lifetime",
        [Answer(STALE), Answer(HOUR, 503), Answer(HOUR)],
        [Ask("miss"), Ask("miss", status=503), Ask("hit", status=503)],
    ),
)
async def test_failures(rig: Rig, case: Case) -> None:
    await rig.run(case)


@pytest.mark.parametrize("said", ["must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=60", "x"])
async def test_nothing_stale_is_used_unasked_when_the_origin_is_gone(rig: Rig, said: str) -> None:
    name = f"gone-{said}"
    rig.origin.plays(name, Answer(f"{STALE}, {said}".replace("\nage: 100", "") + "\nage: 100"), Answer(dies=True))
    async with connect(rig.port) as client:
        assert (await asked(client, name)).status == 200
        assert (await asked(client, name)).status in (502, 504)


async def test_a_stale_answer_is_used_when_the_origin_is_gone_and_it_says_so(rig: Rig) -> None:
    rig.origin.plays("gone-sie", Answer(f"{STALE}\n{SIE}"), Answer(dies=True))
    async with connect(rig.port) as client:
        await asked(client, "gone-sie")
        answer = await asked(client, "gone-sie")
        assert (answer.status, answer.body) == (200, b"gone-sie 0")
        assert int(answer.header("age") or "") >= 100


async def test_a_stale_answer_is_used_at_once_while_it_is_fetched_anew(rig: Rig) -> None:
    swr = f'{STALE}\ncache-control: stale-while-revalidate=600\netag: "a"'
    script = rig.origin.plays("swr", Answer(swr), Answer(f'{HOUR}\netag: "b"', held=True))
    async with connect(rig.port) as client:
        await asked(client, "swr")
        for _ in range(10):
            stale = await asked(client, "swr")
            assert (stale.body, stale.status) == (b"swr 0", 200)
            assert int(stale.header("age") or "") >= 100
        await script.until(2)
        assert script.received[1].field("if-none-match") == '"a"'
        script.release.set()

        async def renewed() -> bool:
            return (await asked(client, "swr")).body == b"swr 1"

        await eventually(renewed)
        assert len(script.received) == 2


async def test_not_past_its_window(rig: Rig) -> None:
    swr = f'{STALE}\ncache-control: stale-while-revalidate=10\netag: "a"'
    await rig.run(Case("swr-past", [Answer(swr), Answer(f'{HOUR}\netag: "b"')], [Ask("miss"), Ask("miss"), Ask("hit")]))


@each(
    Case(
        "swr-must-revalidate",
        [Answer(f"{STALE}\ncache-control: stale-while-revalidate=600, must-revalidate"), Answer(HOUR)],
        [Ask("miss"), Ask("miss")],
    ),
    Case(
        "swr-no-cache-request",
        [Answer(f"{STALE}\ncache-control: stale-while-revalidate=600"), Answer(HOUR)],
        [Ask("miss"), Ask("miss", "cache-control: no-cache")],
    ),
    Case(
        "swr-max-age-request",
        [Answer(f"{STALE}\ncache-control: stale-while-revalidate=600"), Answer(HOUR)],
        [Ask("miss"), Ask("miss", "cache-control: max-age=50")],
    ),
)
async def test_nor_where_somebody_forbids_it(rig: Rig, case: Case) -> None:
    await rig.run(case)


@pytest.mark.parametrize("framing", ["cut", "cut-chunked"])
@pytest.mark.parametrize("validator", ["x: y", 'etag: "a"'])
async def test_a_cut_body_is_cut_for_its_client_and_never_kept(rig: Rig, framing: Framing, validator: str) -> None:
    name = f"{framing}-{validator[:1]}"
    script = rig.origin.plays(name, Answer(f"{HOUR}\n{validator}", framing=framing), Answer(HOUR))
    async with connect(rig.port) as client:
        assert (await asked(client, name)).cut
    async with connect(rig.port) as client:
        assert (await asked(client, name)).body == f"{name} 1".encode()
        assert (await asked(client, name)).body == f"{name} 1".encode()
    assert len(script.received) == 2
    assert script.received[1].field("if-none-match") is None


async def test_a_cut_body_does_not_take_the_place_of_a_whole_one(rig: Rig) -> None:
    script = rig.origin.plays(
        "cut-behind", Answer(f'{STALE}\netag: "a"'), Answer(HOUR, framing="cut"), Answer(f'{HOUR}\netag: "a"')
    )
    async with connect(rig.port) as client:
        await asked(client, "cut-behind")
        assert (await asked(client, "cut-behind")).cut
    async with connect(rig.port) as client:
        assert (await asked(client, "cut-behind")).body == b"cut-behind 0"
    assert script.received[2].field("if-none-match") == '"a"'


async def test_what_a_client_did_not_wait_for_is_not_kept_as_whole(rig: Rig) -> None:
    script = rig.origin.plays("left", Answer(HOUR, body=b"a" * 100_000, held_in_body=True), Answer(HOUR))
    async with connect(rig.port) as client:
        client.send(b"GET /left HTTP/1.1\r\nhost: shop.example\r\n\r\n")
        assert (await client.head()).status == 200
    script.release.set()
    async with connect(rig.port) as client:
        answer = await asked(client, "left")
        assert answer.body in (b"left 1", b"a" * 100_000)
        assert not answer.cut
