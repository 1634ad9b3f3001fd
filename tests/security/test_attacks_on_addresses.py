"""Spoofed forwarding: each wants to call from another address than its own, through ip_filter and rate_limit."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.simulation import run
from tests.support.security_rig import CLIENT, PROXY, Header, Rig, build_rig, configuration, rig

INSIDE, OTHER_PROXY, DENIED = "172.16.0.9", "10.0.0.2", "203.0.113.66"
ONLY_INSIDE = {"ip_filter": {"allow": ["172.16.0.0/12", "127.0.0.0/8"]}}
NOT_THEM = {"ip_filter": {"deny": ["203.0.113.0/24", "2001:db8:bad::/48"]}}
THREE = {"rate_limit": {"algorithm": "fixed_window", "rate": "3/h", "key": "client_ip"}}

CLAIMS: dict[str, str] = {
    "X-Forwarded-For": INSIDE,
    "x-forwarded-for": f"{INSIDE}, {INSIDE}",
    "X_Forwarded_For": INSIDE,
    "X-Forwarded": INSIDE,
    "Forwarded-For": INSIDE,
    "Forwarded": f"for={INSIDE}",
    "X-Real-IP": INSIDE,
    "X_Real_IP": INSIDE,
    "True-Client-IP": INSIDE,
    "CF-Connecting-IP": INSIDE,
    "X-Client-IP": INSIDE,
    "X-Cluster-Client-IP": INSIDE,
    "Fastly-Client-IP": INSIDE,
    "X-Originating-IP": INSIDE,
    "X-Remote-Addr": INSIDE,
    "X-ProxyUser-Ip": INSIDE,
    "Client-IP": INSIDE,
    "Via": INSIDE,
}


@pytest.fixture(scope="module")
def wall(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    return build_rig(configuration(tmp_path_factory.mktemp("rig"), middleware=[ONLY_INSIDE]))


@pytest.fixture
def walled(wall: Rig) -> Rig:
    wall.forget()
    return wall


@pytest.mark.parametrize("name", CLAIMS)
async def test_a_stranger_says_to_come_from_inside(walled: Rig, name: str) -> None:
    """To pass the allow list by naming an address that is on it."""
    answer = await walled.ask("/page", (name, CLAIMS[name]))
    assert (answer.status, answer.code) == (403, "address-denied")
    answer = await walled.ask("/page", (name, "127.0.0.1"), (name, "127.0.0.1"), ("Host", "127.0.0.1"))
    assert answer.status == 403
    assert walled.reached("open") == 0


@pytest.mark.parametrize("name", [name for name in CLAIMS if name.lower() not in ("x-forwarded-for", "forwarded")])
async def test_headers_without_a_chain_are_never_believed_from_a_proxy_either(walled: Rig, name: str) -> None:
    """To have a proxy pass on a header that it does not know, and the gateway believe it."""
    assert (await walled.ask("/page", (name, CLAIMS[name]), peer=PROXY)).status == 403
    assert (await walled.ask("/page", (name, CLAIMS[name]), ("X-Forwarded-For", CLIENT), peer=PROXY)).status == 403


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        (CLIENT, CLIENT),
        (f"{INSIDE}, {CLIENT}", CLIENT),
        (f"127.0.0.1, {INSIDE}, {CLIENT}", CLIENT),
        (f"{INSIDE}, {CLIENT}, {OTHER_PROXY}", CLIENT),
        (f"{INSIDE}, {CLIENT},", CLIENT),
        (f"{INSIDE}, unknown", PROXY),
        (f"{INSIDE}, {CLIENT} {INSIDE}", PROXY),
        (f"{INSIDE}, ::ffff:{CLIENT}", CLIENT),
        (f"{INSIDE}, 192.0.2.7:55555", CLIENT),
        (f"{INSIDE}, 192.0.2.007", PROXY),
        (f"{INSIDE}, 0xC0.0.2.7", PROXY),
        (f"{INSIDE}, 3221225991", PROXY),
        ("", PROXY),
        (",,,", PROXY),
    ],
)
async def test_a_chain_from_a_trusted_proxy_is_read_from_the_right(
    gateway: Rig, walled: Rig, chain: str, client: str
) -> None:
    """To put an address of one's choice to the left of what our own proxies add."""
    assert (await walled.ask("/page", ("X-Forwarded-For", chain), peer=PROXY)).status == 403
    assert (await gateway.ask("/page", ("X-Forwarded-For", chain), peer=PROXY)).status == 200
    assert gateway.services["open"].seen[0].client_address == client


async def test_who_really_is_inside_gets_in_through_a_proxy(walled: Rig) -> None:
    """Nothing: without this the tests above could all pass for another reason."""
    assert (await walled.ask("/page", peer=INSIDE)).status == 200
    assert (await walled.ask("/page", ("X-Forwarded-For", INSIDE), peer=PROXY)).status == 200
    assert (await walled.ask("/page", ("Forwarded", f"for={INSIDE}"), peer=PROXY)).status == 200


CONTRADICTIONS: dict[str, tuple[Header, ...]] = {
    "one notation each": (("X-Forwarded-For", CLIENT), ("Forwarded", f"for={INSIDE}")),
    "the other way round": (("X-Forwarded-For", INSIDE), ("Forwarded", f"for={CLIENT}")),
    "two lines": (("X-Forwarded-For", INSIDE), ("X-Forwarded-For", CLIENT)),
    "quoted": (("Forwarded", f'for="{INSIDE}";by="x, for={INSIDE}"'), ("X-Forwarded-For", CLIENT)),
    "an open quote": (("Forwarded", f'for={CLIENT};by="x, for={INSIDE}'),),
    "two elements": (("Forwarded", f"for={INSIDE}, for={CLIENT}"),),
    "two for": (("Forwarded", f"for={CLIENT};for={INSIDE}"),),
    "obfuscated": (("Forwarded", f"for={INSIDE}, for=_hidden"),),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
async def test_forwarding_headers_that_contradict_each_other(walled: Rig, name: str) -> None:
    """To write into the notation that our proxy passes on unread."""
    assert (await walled.ask("/page", *CONTRADICTIONS[name], peer=PROXY)).status == 403


async def test_a_denied_address_cannot_name_another(tmp_path: Path) -> None:
    """To leave the deny list by naming an address that is not on it."""
    async with rig(tmp_path, middleware=[NOT_THEM]) as gateway:
        for name, value in (("X-Forwarded-For", CLIENT), ("Forwarded", f"for={CLIENT}"), ("X-Real-IP", CLIENT)):
            assert (await gateway.ask("/page", (name, value), peer=DENIED)).status == 403
            chain = f"{CLIENT}, {DENIED}" if name != "Forwarded" else f"for={CLIENT}, for={DENIED}"
            expected = 200 if name == "X-Real-IP" else 403
            assert (await gateway.ask("/page", (name, chain), peer=PROXY)).status == expected


@pytest.mark.parametrize(
    "spelling",
    ["::ffff:203.0.113.66", "2001:db8:bad::1", "2001:DB8:BAD:0::1", "[2001:db8:bad::1]", "203.0.113.66:80"],
)
async def test_a_denied_address_in_another_spelling(tmp_path: Path, spelling: str) -> None:
    """One address has many spellings; the deny list has one."""
    async with rig(tmp_path, middleware=[NOT_THEM]) as gateway:
        assert (await gateway.ask("/page", ("X-Forwarded-For", spelling), peer=PROXY)).status == 403
        if "[" not in spelling and not spelling.endswith(":80"):
            assert (await gateway.ask("/page", peer=spelling)).status == 403


@pytest.mark.parametrize("name", [*CLAIMS])
async def test_a_limit_by_address_counts_the_connection_not_the_claim(tmp_path: Path, name: str) -> None:
    """A new name for each request, and so a new allowance; and somebody else's allowance used up."""
    async with rig(tmp_path, middleware=[THREE]) as gateway:
        statuses = [(await gateway.ask("/page", (name, f"198.51.100.{n}"))).status for n in range(6)]
        assert statuses == [200] * 3 + [429] * 3
        assert (await gateway.ask("/page", peer="198.51.100.1")).status == 200


async def test_a_limit_by_address_counts_behind_a_trusted_proxy_from_the_right(tmp_path: Path) -> None:
    """The same through our own proxy, which puts the true address last."""
    async with rig(tmp_path, middleware=[THREE]) as gateway:
        for n in range(6):
            chain = f"198.51.100.{n}, {CLIENT}"
            answer = await gateway.ask("/page", ("X-Forwarded-For", chain), peer=PROXY)
            assert answer.status == (200 if n < 3 else 429)
        assert (await gateway.ask("/page", ("X-Forwarded-For", "192.0.2.8"), peer=PROXY)).status == 200


async def test_an_ipv6_client_has_one_allowance_for_its_network(tmp_path: Path) -> None:
    """A home connection has 2 to the 64 addresses; a limit for each would be none."""
    async with rig(tmp_path, middleware=[THREE]) as gateway:
        statuses = [(await gateway.ask("/page", peer=f"2001:db8:1:1::{n:x}")).status for n in range(1, 7)]
        assert statuses == [200] * 3 + [429] * 3


async def test_what_a_stranger_claims_is_not_passed_on(tmp_path: Path) -> None:
    """To be believed by the service instead."""
    async with rig(tmp_path) as gateway:
        forged = [("X-Forwarded-For", INSIDE), ("Forwarded", f"for={INSIDE};proto=https"), ("X-Real-IP", INSIDE)]
        forged += [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.example"), ("X_Forwarded_For", INSIDE)]
        assert (await gateway.ask("/page", *forged)).status == 200
        headers = gateway.services["open"].seen[0].request.headers
        assert headers.get_all("x-forwarded-for") == [CLIENT]
        assert headers.get_all("x-forwarded-proto") == ["http"]
        assert INSIDE not in repr(headers)
        assert "evil.example" not in repr(headers)


VALUES = st.lists(
    st.sampled_from([INSIDE, "127.0.0.1", f"for={INSIDE}", f'for="{INSIDE}"', "no", '"', ";", ",", "=", "\\", " "]),
    max_size=6,
).map(", ".join)
LINES = st.lists(st.tuples(st.sampled_from([*CLAIMS]), VALUES), max_size=4)


@settings(max_examples=80)
@given(lines=LINES)
def test_nothing_that_a_stranger_says_changes_its_address(wall: Rig, lines: list[Header]) -> None:
    """Any mixture of the above, from outside and before what our proxy adds."""
    gateway = wall
    gateway.forget()

    async def main() -> None:
        assert (await gateway.ask("/page", *lines)).status == 403
        assert (await gateway.ask("/page", *lines, ("X-Forwarded-For", CLIENT), peer=PROXY)).status == 403

    run(main)
    assert gateway.reached("open") == 0
