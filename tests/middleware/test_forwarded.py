"""Forwarded: who is believed, who the client is, what the services are told."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.core.errors import ConfigurationError
from api_gateway.core.headers import Headers
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.middleware.addresses import parse_address
from api_gateway.middleware.forwarded import ForwardedMiddleware
from api_gateway.middleware.forwarded_header import hops

PROXIES = ["10.0.0.0/8", "2001:db8:1::/48"]
PROXY = "10.0.0.1"
STRANGER = "192.0.2.66"
CLIENT = "198.51.100.9"
Lines = list[tuple[str, str]]


class Told:
    """What the next layer was told."""

    def __init__(self, headers: Headers, context: RequestContext) -> None:
        self.headers = headers
        self.client = context.client_address
        self.scheme = context.scheme

    def __getitem__(self, name: str) -> list[str]:
        return self.headers.get_all(name)


async def ask(
    lines: Lines, peer: str = PROXY, *, trusted: list[str] = PROXIES, scheme: str = "http", version: str = "1.1"
) -> Told:
    told: list[Told] = []

    async def service(request: Request, context: RequestContext) -> Response:
        told.append(Told(request.headers, context))
        return Response()

    request = Request("GET", "/", [("host", "shop.example"), *lines])
    await ForwardedMiddleware(trusted)(request, RequestContext(0, peer, scheme, version), service)
    return told[0]


SPOOFED: Lines = [
    ("X-Forwarded-For", "6.6.6.6"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Prefix", "/evil"),
    ("Forwarded", "for=6.6.6.6;proto=https;host=evil.example"),
    ("X-Real-IP", "6.6.6.6"),
]


@pytest.mark.parametrize("trusted", [[], PROXIES], ids=["nobody trusted", "others trusted"])
async def test_what_a_stranger_claims_is_dropped_and_the_connection_stated(trusted: list[str]) -> None:
    told = await ask([*SPOOFED, ("accept", "*/*")], STRANGER, trusted=trusted)
    assert (told.client, told.scheme) == (STRANGER, "http")
    assert list(told.headers) == [
        ("host", "shop.example"),
        ("accept", "*/*"),
        ("x-forwarded-for", STRANGER),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "shop.example"),
        ("forwarded", f"for={STRANGER};proto=http;host=shop.example"),
    ]


async def test_an_ipv6_stranger_is_quoted_in_brackets_in_forwarded_only() -> None:
    told = await ask([], "2001:db8:9::1", scheme="https")
    assert told["x-forwarded-for"] == ["2001:db8:9::1"]
    assert told["x-forwarded-proto"] == ["https"]
    assert told["forwarded"] == ['for="[2001:db8:9::1]";proto=https;host=shop.example']


async def test_in_process_nothing_is_added_or_dropped() -> None:
    told = await ask(SPOOFED, "", version="")
    assert list(told.headers) == [("host", "shop.example"), *((name.lower(), value) for name, value in SPOOFED)]
    assert (told.client, told.scheme) == ("", "http")


async def test_a_connection_without_an_address_is_a_stranger_of_unknown_name() -> None:
    told = await ask(SPOOFED, "")
    assert told["x-forwarded-for"] == []
    assert told["forwarded"] == ["for=unknown;proto=http;host=shop.example"]
    assert told["x-real-ip"] == []
    assert told.client == ""


async def test_from_a_trusted_proxy_the_chain_is_believed_and_continued() -> None:
    told = await ask([("x-forwarded-for", CLIENT), ("x-forwarded-proto", "https"), ("x-forwarded-host", "a.example")])
    assert (told.client, told.scheme) == (CLIENT, "https")
    assert told["x-forwarded-for"] == [f"{CLIENT}, {PROXY}"]
    assert told["x-forwarded-proto"] == ["https"]
    assert told["x-forwarded-host"] == ["a.example"]
    assert told["forwarded"] == [f"for={CLIENT};proto=https, for={PROXY};proto=http;host=shop.example"]


async def test_a_standard_chain_is_believed_and_continued_in_both_notations() -> None:
    told = await ask([("forwarded", 'for="[2001:db8:9::1]:80";proto=https')])
    assert (told.client, told.scheme) == ("2001:db8:9::1", "https")
    assert told["x-forwarded-for"] == [f"2001:db8:9::1, {PROXY}"]
    assert told["forwarded"] == [
        f'for="[2001:db8:9::1]:80";proto=https, for={PROXY};proto=http;host=shop.example',
    ]


async def test_a_trusted_proxy_without_a_chain_is_itself_the_client() -> None:
    told = await ask([])
    assert told.client == PROXY
    assert told["x-forwarded-for"] == [PROXY]
    assert told["x-forwarded-host"] == ["shop.example"]
    assert told["forwarded"] == [f"for={PROXY};proto=http;host=shop.example"]


async def test_x_real_ip_is_not_passed_on_even_from_a_trusted_proxy_but_its_prefix_is() -> None:
    told = await ask([("x-real-ip", CLIENT), ("x-forwarded-prefix", "/shop")])
    assert told["x-real-ip"] == []
    assert told["x-forwarded-prefix"] == ["/shop"]
    assert told.client == PROXY


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("6.6.6.6, 198.51.100.9", CLIENT),
        ("6.6.6.6, 198.51.100.9, 10.0.0.2, 10.0.0.3", CLIENT),
        ("198.51.100.9:4711, 10.0.0.2:80", CLIENT),
        ("[2001:db8:9::1]:4711, 2001:db8:1::5", "2001:db8:9::1"),
        ("10.0.0.7, 10.0.0.2", "10.0.0.7"),
        ("6.6.6.6, unknown, 10.0.0.2", "10.0.0.2"),
        ("6.6.6.6, <script>", PROXY),
        ("198.51.100.9, , ,", CLIENT),
        (",", PROXY),
        ("::ffff:198.51.100.9, ::ffff:10.0.0.2", CLIENT),
        ("6.6.6.6, " + "1" * 500, PROXY),
    ],
)
async def test_the_chain_is_walked_from_the_right(chain: str, client: str) -> None:
    assert (await ask([("x-forwarded-for", chain)])).client == client


async def test_the_lines_of_a_chain_are_one_list() -> None:
    told = await ask([("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", CLIENT), ("x-forwarded-for", "10.0.0.2")])
    assert told.client == CLIENT
    assert told["x-forwarded-for"] == [f"6.6.6.6, {CLIENT}, 10.0.0.2, {PROXY}"]


async def test_a_very_long_chain_is_read_at_its_right_end_only() -> None:
    told = await ask([("x-forwarded-for", ", ".join(["6.6.6.6"] * 5000 + [CLIENT]))])
    assert told.client == CLIENT


async def test_a_mapped_proxy_is_the_ipv4_proxy() -> None:
    assert (await ask([("x-forwarded-for", CLIENT)], "::ffff:10.0.0.1")).client == CLIENT


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([("x-forwarded-for", CLIENT), ("forwarded", "for=6.6.6.6")], "the client"),
        ([("x-forwarded-for", "6.6.6.6"), ("forwarded", f"for={CLIENT}")], "the client"),
        ([("x-forwarded-for", CLIENT), ("forwarded", 'for="')], "one cannot be read"),
        (
            [
                ("x-forwarded-for", CLIENT),
                ("x-forwarded-proto", "http"),
                ("forwarded", f"for={CLIENT};proto=https"),
            ],
            "the scheme",
        ),
    ],
)
async def test_where_the_two_notations_disagree_neither_is_believed(lines: Lines, why: str) -> None:
    told = await ask(lines)
    assert told.client == PROXY, why
    assert told.scheme == "http"
    assert told["x-forwarded-for"] == [PROXY]
    assert told["x-forwarded-proto"] == ["http"]
    assert told["forwarded"] == [f"for={PROXY};proto=http;host=shop.example"]


async def test_where_the_two_notations_agree_both_are_continued() -> None:
    told = await ask([("x-forwarded-for", f"6.6.6.6, {CLIENT}:80"), ("forwarded", f"for={CLIENT};proto=https")])
    assert (told.client, told.scheme) == (CLIENT, "https")
    assert told["x-forwarded-for"] == [f"6.6.6.6, {CLIENT}:80, {PROXY}"]
    assert told["forwarded"] == [f"for={CLIENT};proto=https, for={PROXY};proto=http;host=shop.example"]


@pytest.mark.parametrize(
    ("said", "scheme"),
    [("https", "https"), ("HTTPS", "https"), ("http", "http"), ("wss", "http"), ("", "http"), ("https, http", "http")],
)
async def test_only_http_and_https_are_believed_and_the_nearest_proxy_last(said: str, scheme: str) -> None:
    told = await ask([("x-forwarded-for", CLIENT), ("x-forwarded-proto", said)])
    assert told.scheme == scheme
    assert told["x-forwarded-proto"] == [scheme]


async def test_a_host_longer_than_any_name_is_not_stated() -> None:
    request = Request("GET", "/", {"host": "a" * 5000})
    seen: list[Headers] = []

    async def service(request: Request, context: RequestContext) -> Response:
        seen.append(request.headers)
        return Response()

    await ForwardedMiddleware()(request, RequestContext(0, STRANGER, "http", "1.1"), service)
    assert "x-forwarded-host" not in seen[0]
    assert seen[0].get("forwarded") == f"for={STRANGER};proto=http"


async def test_two_requests_of_one_peer_do_not_share_their_header_lists() -> None:
    first = await ask([], STRANGER)
    first.headers.pairs.append((b"x-mine", b"1"))
    assert "x-mine" not in (await ask([], STRANGER)).headers


def test_a_bad_network_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError):
        ForwardedMiddleware(["not-a-network"])


# Properties. The honest part of a chain is what proxies append: the address of whoever they saw.

TRUSTED_ADDRESS = st.one_of(
    st.ip_addresses(network="10.0.0.0/8").map(str), st.ip_addresses(network="2001:db8:1::/48").map(str)
)
JUNK = st.text(alphabet='abcx0123456789.:[]=;"\\ _-', max_size=25)
WRITTEN_BY_CLIENT = st.lists(st.one_of(st.ip_addresses().map(str), TRUSTED_ADDRESS, JUNK), max_size=5)


def is_trusted(address: str) -> bool:
    parsed = ipaddress.ip_address(parse_address(address) or "0.0.0.0")
    return any(parsed in ipaddress.ip_network(network) for network in PROXIES)


UNTRUSTED_ADDRESS = (
    st.ip_addresses()
    .map(str)
    .map(lambda text: parse_address(text) or text)
    .filter(lambda address: not is_trusted(address))
)


@given(WRITTEN_BY_CLIENT, UNTRUSTED_ADDRESS, st.lists(TRUSTED_ADDRESS, min_size=1, max_size=4))
async def test_behind_any_proxies_the_client_is_who_they_saw_whatever_it_wrote(
    written: list[str], client: str, proxies: list[str]
) -> None:
    *earlier, peer = proxies
    told = await ask([("x-forwarded-for", ", ".join([*written, client, *earlier]))], peer)
    assert told.client == client


@given(WRITTEN_BY_CLIENT, UNTRUSTED_ADDRESS, st.lists(TRUSTED_ADDRESS, min_size=1, max_size=4))
async def test_the_same_in_the_standard_notation_unless_a_quote_is_open(
    written: list[str], client: str, proxies: list[str]
) -> None:
    *earlier, peer = proxies
    honest = [f'for="[{seen}]"' if ":" in seen else f"for={seen}" for seen in (client, *earlier)]
    told = await ask([("forwarded", ", ".join([*(f"for={text}" for text in written), *honest]))], peer)
    open_quote = any('"' in text for text in written)
    assert told.client == client or (open_quote and told.client == peer)


@given(WRITTEN_BY_CLIENT, WRITTEN_BY_CLIENT, UNTRUSTED_ADDRESS, st.sampled_from(["x-forwarded-for", "forwarded"]))
async def test_a_proxy_that_passes_the_other_notation_on_lets_nobody_lie(
    chain: list[str], elements: list[str], client: str, notation_of_proxy: str
) -> None:
    seen = f'for="[{client}]"' if ":" in client else f"for={client}"
    lines = {"x-forwarded-for": chain, "forwarded": [f"for={text}" for text in elements]}
    lines[notation_of_proxy] = [*lines[notation_of_proxy], client if notation_of_proxy == "x-forwarded-for" else seen]
    told = await ask([(name, ", ".join(entries)) for name, entries in lines.items() if entries])
    assert told.client in (client, PROXY)


@given(WRITTEN_BY_CLIENT, WRITTEN_BY_CLIENT, UNTRUSTED_ADDRESS, st.lists(st.sampled_from(PROXIES), max_size=2))
async def test_a_stranger_is_always_its_own_address(
    chain: list[str], elements: list[str], peer: str, trusted: list[str]
) -> None:
    lines = [("x-forwarded-for", ", ".join(chain)), ("forwarded", ", ".join(f"for={text}" for text in elements))]
    told = await ask([*lines, ("x-real-ip", "6.6.6.6")], peer, trusted=trusted)
    assert told.client == peer
    assert told["x-forwarded-for"] == [peer]


@given(UNTRUSTED_ADDRESS, st.lists(TRUSTED_ADDRESS, min_size=1, max_size=4), st.sampled_from(["http", "https"]))
async def test_a_chain_of_our_own_gateways_ends_at_the_client(client: str, gateways: list[str], scheme: str) -> None:
    """Round trip: each gateway's output is the next one's input."""
    lines: Lines = []
    for peer in [client, *gateways]:
        told = await ask(lines, peer, scheme=scheme if peer == client else "http")
        lines = [(name, value) for name, value in told.headers if name != "host"]
    assert told.client == client
    assert told.scheme == scheme
    assert [parse_address(entry) for entry, _ in hops(told["forwarded"][0])][::-1] == [client, *gateways]
