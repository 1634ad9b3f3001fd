"""Network set: the same verdicts as the standard library's, as soon for many networks as for few."""

from __future__ import annotations

import gc
import ipaddress
import sys
import time
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api_gateway.core.network_set import NO_ADDRESS, NetworkSet, address_number, network_range

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


def _is_mapped(network: Network) -> bool:
    return isinstance(network, ipaddress.IPv6Network) and network.subnet_of(MAPPED)


def the_oracle_says(networks: list[str], text: str) -> bool:
    """The linear scan that the set replaces."""
    try:
        address: Address = ipaddress.ip_address(text)
    except ValueError:
        return False
    address = (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address
    for network in map(ipaddress.ip_network, networks):
        if _is_mapped(network):
            low = ipaddress.IPv4Address(int(network.network_address) & 0xFFFF_FFFF)
            network = ipaddress.IPv4Network((low, network.prefixlen - 96))
        if address.version == network.version and address in network:
            return True
    return False


# Few bits vary, so that networks touch, overlap and hold the drawn addresses.
SMALL_V4 = st.integers(0, 15).map(lambda low: ipaddress.IPv4Address((10 << 24) + low))
SMALL_V6 = st.integers(0, 15).map(lambda low: ipaddress.IPv6Address((0x20010DB8 << 96) + low))
SMALL_MAPPED = SMALL_V4.map(lambda address: ipaddress.IPv6Address((0xFFFF << 32) + int(address)))
ADDRESSES = st.one_of(SMALL_V4, SMALL_V6, SMALL_MAPPED, st.ip_addresses())
NETWORKS = st.one_of(
    st.tuples(SMALL_V4, st.integers(24, 32)),
    st.tuples(SMALL_V6, st.integers(120, 128)),
    st.tuples(SMALL_MAPPED, st.integers(92, 128)),
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)),
    st.tuples(st.ip_addresses(v=6), st.integers(0, 128)),
).map(lambda pair: str(ipaddress.ip_network(pair, strict=False)))
ODD_TEXT = st.one_of(st.text(max_size=50), st.text(alphabet="0123456789abcdefF:.%/ -x", max_size=45))


@given(st.lists(NETWORKS, max_size=30), st.lists(ADDRESSES, min_size=1, max_size=30))
@example(["::/0"], [ipaddress.ip_address("::ffff:10.0.0.1"), ipaddress.ip_address("10.0.0.1")])
@example(["0.0.0.0/0"], [ipaddress.ip_address("::ffff:10.0.0.1"), ipaddress.ip_address("::10.0.0.1")])
@example(["::ffff:0:0/96"], [ipaddress.ip_address("10.0.0.1"), ipaddress.ip_address("::1")])
def test_it_holds_what_the_standard_library_says(networks: list[str], addresses: list[Address]) -> None:
    made = NetworkSet(networks)
    assert [str(one) in made for one in addresses] == [the_oracle_says(networks, str(one)) for one in addresses]


@given(st.lists(NETWORKS, min_size=1, max_size=30))
def test_the_first_and_the_last_of_each_network_are_in_and_their_neighbours_as_the_oracle_says(
    networks: list[str],
) -> None:
    made = NetworkSet(networks)
    for network in map(ipaddress.ip_network, networks):
        assert str(network[0]) in made or (not _is_mapped(network) and network[0] in MAPPED)
        for neighbour in (int(network[0]) - 1, int(network[-1]) + 1):
            if 0 <= neighbour < 1 << network.max_prefixlen:
                address = str(type(network[0])(neighbour))
                assert (address in made) == the_oracle_says(networks, address)


@given(ODD_TEXT)
@example("10.0.0.1 ")
@example("010.0.0.1")
@example("10.1")
@example("::ffff:10.0.0.1%eth0")
@example("fe80::1%")
@example("fe80::1%a%b")
@example("10.0.0.1%eth0")
@example("fe80::1%eth0/64")
@example("10.0.0.1\0")
@example("\udcff")
@example("1::2::3")
@example("00001::")
@example("1:2:3:4:5:6:7::")
@example("\u0661.1.1.1")
def test_an_address_is_what_the_standard_library_reads_as_one(text: str) -> None:
    try:
        ipaddress.ip_address(text)
        is_address = "/" not in text  # which some versions take for a part of the zone
    except ValueError:
        is_address = False
    assert (address_number(text) != NO_ADDRESS) == is_address


@given(ODD_TEXT, st.one_of(st.just(""), st.integers(-1, 130).map(lambda prefix: f"/{prefix}")))
@example("10.0.0.0", "/255.0.0.0")
@example("10.0.0.0", "/")
@example("10.0.0.0", "/+8")
@example("::ffff:0:0", "/95")
@example("::ffff:10.0.0.0", "/104")
@example("10.0.0.0", "/0008")
def test_a_network_is_what_the_standard_library_reads_as_one(text: str, prefix: str) -> None:
    network = text + prefix
    try:
        ipaddress.ip_network(network)
        is_network = "%" not in network
    except ValueError:
        is_network = False
    if is_network:
        assert network_range(network)[0] >= 0
    else:
        with pytest.raises(ValueError, match=r"."):
            network_range(network)


@pytest.mark.parametrize("garbage", ["", "unknown", "10.0.0", "10.0.0.256", "example.com", "[::1]", "10.0.0.1:80"])
def test_what_is_no_address_is_in_no_network(garbage: str) -> None:
    assert garbage not in NetworkSet(["0.0.0.0/0", "::/0"])


def test_a_mapped_address_is_the_ipv4_address_in_a_list_and_in_a_request() -> None:
    assert "::ffff:10.0.0.1" in NetworkSet(["10.0.0.0/8"])
    assert "::FFFF:0a00:0001" in NetworkSet(["10.0.0.0/8"])
    assert "10.0.0.1" in NetworkSet(["::ffff:10.0.0.0/104"])
    assert "10.0.0.1" not in NetworkSet(["::/0"])
    assert "::ffff:10.0.0.1" not in NetworkSet(["::/0"])


def test_a_network_covers_an_address_in_every_zone_and_has_none_itself() -> None:
    assert "fe80::1%eth0" in NetworkSet(["fe80::/10"])
    assert "fe80::1%eth0" not in NetworkSet(["fe80::2"])
    with pytest.raises(ValueError, match="has a zone"):
        NetworkSet(["fe80::1%eth0"])


@pytest.mark.parametrize("network", ["10.0.0.1/8", "10.0.0.0/33", "::1/64", "", "proxy.example", "10.0.0.0/"])
def test_what_is_no_network_is_named_in_the_error(network: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        NetworkSet(["192.0.2.0/24", network])
    assert network.partition("/")[0] in str(error.value)


def test_neighbours_and_overlaps_are_merged() -> None:
    made = NetworkSet(["10.0.1.0/24", "10.0.0.0/24", "10.0.0.7", "10.0.9.0/24"])
    assert repr(made) == "<NetworkSet of 4 networks, 2 apart from each other>"
    assert len(made) == 4


def test_every_address_of_a_network_is_asked_for_at_once() -> None:
    made = NetworkSet(["10.0.0.0/24", "10.0.1.0/24", "2001:db8::/32"])
    assert made.holds_all(network_range("10.0.0.0/23"))
    assert made.holds_all(network_range("2001:db8::7"))
    assert not made.holds_all(network_range("10.0.0.0/22"))
    assert not made.holds_all(network_range("10.0.2.0/24"))
    assert not NetworkSet().holds_all(network_range("10.0.0.1"))


# Cost.


@pytest.mark.parametrize(
    ("networks", "address", "network"),
    [
        (["10.0.0.0/8"], "10.1.2.3", "10.0.0.0/8"),
        (["10.0.0.0/8"], "11.0.0.0", None),
        (["10.0.0.0/9", "10.128.0.0/9"], "10.1.2.3", "10.0.0.0/8"),
        (["10.0.0.0/32", "10.0.0.1/32", "10.0.0.2/32"], "10.0.0.2", "10.0.0.2/32"),
        (["0.0.0.0/0", "::/0"], "10.1.2.3", "0.0.0.0/0"),
        (["0.0.0.0/0", "::/0"], "2001:db8::1", "::/0"),
        (["2001:db8::/32"], "2001:db8::1", "2001:db8::/32"),
        (["::ffff:192.0.2.0/120"], "192.0.2.1", "192.0.2.0/24"),
        (["0.0.0.0/0"], "nowhere", None),
    ],
)
def test_the_network_of_an_address_is_the_largest_that_lies_in_the_set(
    networks: list[str], address: str, network: str | None
) -> None:
    assert NetworkSet(networks).network_of(address_number(address)) == network


@given(st.lists(st.integers(0, 255), min_size=1), st.integers(0, 255))
def test_what_is_wider_than_the_network_of_an_address_is_not_in_the_set(members: list[int], asked: int) -> None:
    networks = NetworkSet([f"192.0.2.{member}" for member in members])
    found = networks.network_of(address_number(f"192.0.2.{asked}"))
    assert (found is not None) == (asked in members)
    if found is not None:
        network = ipaddress.ip_network(found)
        assert ipaddress.ip_address(f"192.0.2.{asked}") in network
        assert all(str(each) in networks for each in network)
        assert not all(str(each) in networks for each in network.supernet())


def _apart(count: int) -> NetworkSet:
    """That many networks that do not touch."""
    return NetworkSet([f"{ipaddress.IPv4Address((11 << 24) + 512 * index)}/24" for index in range(count)])


_ASKED = ["11.0.0.5", "11.0.2.5", "11.0.3.5", "192.0.2.1", "1.1.1.1", "2001:db8::1", "garbage"]


def test_a_hundred_thousand_networks_take_exactly_the_steps_of_ten() -> None:
    few, many = _apart(10), _apart(100_000)
    assert "11.0.2.5" in few
    assert "11.200.2.5" not in few
    assert "11.200.2.5" in many
    assert "11.200.3.5" not in many
    assert _steps(few) == _steps(many)


def test_ten_thousand_networks_cost_at_most_1_5_times_ten() -> None:
    few, many = _apart(10), _apart(10_000)
    best = {id(few): 1 << 60, id(many): 1 << 60}
    for _ in range(150):  # in turn, so that noise from outside hits both; the minimum is free of it
        for each in (few, many):
            best[id(each)] = min(best[id(each)], _nanoseconds(each))
    assert best[id(many)] <= 1.5 * best[id(few)]


def _nanoseconds(networks: NetworkSet) -> int:
    started = time.perf_counter_ns()
    for address in _ASKED * 10:
        address in networks  # noqa: B015  # only its time is wanted
    return time.perf_counter_ns() - started


def _steps(networks: NetworkSet) -> int:
    """Calls and lines of Python code that the look-ups execute: the same in every run."""
    count = 0
    gc.disable()  # a finalizer of another test's rubbish would be counted

    def trace(frame: FrameType, happening: str, argument: object) -> Any:
        nonlocal count
        count += happening in ("call", "line")
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        for address in _ASKED:
            address in networks  # noqa: B015  # only its steps are wanted
    finally:
        sys.settrace(previous)
        gc.enable()
    assert count > 0
    return count
