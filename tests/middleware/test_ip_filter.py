"""IP filter: who comes in, whose word counts, and lists that change."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway import ApiGateway, Request, RequestContext, Response, Route, Router
from api_gateway.core.errors import AddressDenied, ConfigurationError
from api_gateway.middleware.forwarded import ForwardedMiddleware
from api_gateway.middleware.ip_filter import IpFilterMiddleware
from api_gateway.simulation import run

GET = Request("GET", "/")


async def service(request: Request, context: RequestContext) -> Response:
    return Response.text("in")


async def comes_in(ip_filter: IpFilterMiddleware, address: str) -> bool:
    try:
        response = await ip_filter(GET, RequestContext(peer_address=address), service)
    except AddressDenied:
        return False
    return await response.read() == b"in"


OFFICE = IpFilterMiddleware(allow=["10.0.0.0/8", "2001:db8::/32"], deny=["10.6.6.0/24"])


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.0.0.1", True),
        ("10.6.5.255", True),
        ("10.6.6.0", False),
        ("10.6.6.255", False),
        ("10.6.7.0", True),
        ("11.0.0.1", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("::ffff:10.0.0.1", True),
        ("::ffff:10.6.6.6", False),
        ("unknown", False),
        ("", False),
    ],
)
async def test_the_allow_list_lets_in_whom_the_deny_list_does_not_keep_out(address: str, expected: bool) -> None:
    assert await comes_in(OFFICE, address) is expected


@pytest.mark.parametrize("address", ["10.6.6.6", "::ffff:10.6.6.6", "::FFFF:A06:606"])
async def test_deny_beats_an_allow_that_is_more_specific(address: str) -> None:
    assert not await comes_in(IpFilterMiddleware(allow=["10.6.6.6"], deny=["10.6.0.0/16"]), address)


async def test_without_an_allow_list_everybody_who_is_not_denied_comes_in() -> None:
    ip_filter = IpFilterMiddleware(deny=["10.6.6.0/24"])
    assert await comes_in(ip_filter, "192.0.2.1")
    assert not await comes_in(ip_filter, "10.6.6.1")


async def test_who_has_no_address_is_on_no_list() -> None:
    assert await comes_in(IpFilterMiddleware(deny=["0.0.0.0/0", "::/0"]), "")
    assert not await comes_in(IpFilterMiddleware(allow=["0.0.0.0/0", "::/0"]), "")


def test_a_filter_without_lists_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="neither an allow list nor a deny list"):
        IpFilterMiddleware()


async def test_refusals_are_counted_by_the_list_that_refused() -> None:
    ip_filter = IpFilterMiddleware(allow=["10.0.0.0/8"], deny=["10.6.6.0/24"])
    for address in ("10.6.6.1", "10.6.6.2", "192.0.2.1", "10.0.0.1"):
        await comes_in(ip_filter, address)
    assert (ip_filter.refused_by_deny, ip_filter.refused_by_allow) == (2, 1)


def gateway(ip_filter: IpFilterMiddleware, *trusted: str) -> ApiGateway:
    return ApiGateway(Router([Route("/*", "any")]), {"any": service}, [ForwardedMiddleware(trusted), ip_filter])


async def test_a_refusal_is_a_403_that_says_nothing_of_the_lists() -> None:
    answers = []
    for address in ("10.6.6.6", "192.0.2.1"):
        response = await gateway(OFFICE).handle(GET, RequestContext(peer_address=address))
        assert response.status == 403
        assert response.header("content-type") == "application/problem+json"
        answers.append(await response.read())
    assert answers[0] == answers[1], "by which list must not be told"
    assert b'"address-denied"' in answers[0]
    for secret in (b"10.", b"192.", b"allow list", b"deny"):
        assert secret not in answers[0].replace(b"address-denied", b"")


@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded", "x-real-ip"])
async def test_a_stranger_cannot_claim_to_be_on_the_allow_list(name: str) -> None:
    claimed = "for=10.0.0.1" if name == "forwarded" else "10.0.0.1"
    request = Request("GET", "/", {"host": "a.test", name: claimed})
    response = await gateway(OFFICE).handle(request, RequestContext(0, "192.0.2.66", "http", "1.1"))
    assert response.status == 403


async def test_the_client_behind_a_trusted_proxy_is_judged_and_not_the_proxy() -> None:
    for client, expected in (("10.6.6.6", 403), ("10.0.0.1", 200), ("192.0.2.1", 403)):
        request = Request("GET", "/", {"host": "a.test", "x-forwarded-for": client})
        context = RequestContext(0, "172.16.0.1", "http", "1.1")
        assert (await gateway(OFFICE, "172.16.0.0/12").handle(request, context)).status == expected


@given(
    st.lists(st.ip_addresses(v=4).map(str), max_size=5),
    st.lists(st.ip_addresses(v=4).map(str), min_size=1, max_size=5),
    st.data(),
)
def test_in_is_allowed_and_not_denied(allow: list[str], deny: list[str], data: st.DataObject) -> None:
    address = data.draw(st.one_of(st.sampled_from([*allow, *deny]), st.ip_addresses().map(str)))
    ip_filter = IpFilterMiddleware(allow, deny)
    assert asyncio.run(comes_in(ip_filter, address)) == ((not allow or address in allow) and address not in deny)


# Files.


def replace(file: Path, text: str) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    fresh.rename(file)


def test_a_changed_block_list_takes_effect_while_the_gateway_runs(tmp_path: Path) -> None:
    file = tmp_path / "blocked.txt"
    replace(file, "192.0.2.0/24\n")

    async def main() -> list[bool]:
        ip_filter = IpFilterMiddleware(deny_file=file, look_every=2)
        table = ApiGateway(Router([]), {}, [ip_filter], resources=[ip_filter])
        async with table:
            seen = [await comes_in(ip_filter, "192.0.2.1"), await comes_in(ip_filter, "198.51.100.1")]
            replace(file, "198.51.100.0/24  # the other one\n")
            await asyncio.sleep(3)
            seen += [await comes_in(ip_filter, "192.0.2.1"), await comes_in(ip_filter, "198.51.100.1")]
        return seen

    assert run(main) == [False, True, True, False]


@pytest.mark.parametrize("change", ["10.0.0.1/8\n", None], ids=["mistake", "gone"])
def test_a_file_that_becomes_wrong_or_vanishes_leaves_the_list_as_it_was(
    tmp_path: Path, change: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "allowed.txt"
    replace(file, "10.0.0.0/8\n")

    async def main() -> list[bool]:
        ip_filter = IpFilterMiddleware(allow_file=file, look_every=2)
        await ip_filter.start()
        if change is None:
            file.unlink()
        else:
            replace(file, change)
        await asyncio.sleep(9)
        seen = [await comes_in(ip_filter, "10.0.0.1"), await comes_in(ip_filter, "192.0.2.1")]
        assert [networks.failures for networks in ip_filter.files] == [1]
        replace(file, "192.0.2.0/24\n")
        await asyncio.sleep(3)
        await ip_filter.close()
        await ip_filter.close()
        return [*seen, await comes_in(ip_filter, "10.0.0.1"), await comes_in(ip_filter, "192.0.2.1")]

    with caplog.at_level(logging.ERROR, "api_gateway.files"):
        assert run(main) == [True, False, False, True]
    assert len(caplog.records) == 1
    assert "allowed.txt" in caplog.text


def test_an_allow_file_without_entries_lets_nobody_in(tmp_path: Path) -> None:
    file = tmp_path / "allowed.txt"
    replace(file, "# nobody yet\n")
    ip_filter = IpFilterMiddleware(allow_file=file)
    assert ip_filter.allowed is not None
    assert len(ip_filter.allowed) == 0
    assert not asyncio.run(comes_in(ip_filter, "10.0.0.1"))


def test_a_list_is_what_is_written_out_and_what_is_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "blocked.txt"
    replace(file, "192.0.2.0/24\n")
    ip_filter = IpFilterMiddleware(deny=["10.0.0.0/8"], deny_file=file)
    assert [str(ipaddress.ip_address(one)) in ip_filter.denied for one in ("10.0.0.1", "192.0.2.1", "11.0.0.1")] == [
        True,
        True,
        False,
    ]
    assert ip_filter.allowed is None
