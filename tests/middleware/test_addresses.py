"""Addresses: what is one, what is garbage, and who is trusted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.core.errors import ConfigurationError
from api_gateway.middleware.addresses import LONGEST_ENTRY, TrustedNetworks, parse_address

ANY_ADDRESS = st.ip_addresses().map(str)


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("2001:0DB8:0:0::0001", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
    ],
)
def test_an_address_is_found_with_and_without_brackets_and_port(entry: str, address: str) -> None:
    assert parse_address(entry) == address


@pytest.mark.parametrize(
    "entry",
    [
        "",
        " ",
        "unknown",
        "_hidden",
        "example.com",
        "192.0.2.1.5",
        "192.0.2.256",
        "192.0.2.1:",
        "192.0.2.1:port",
        "192.0.2.1:123456",
        "[192.0.2.1",
        "[2001:db8::1",
        "[2001:db8::1]x",
        "2001:db8::1]:80",
        "fe80::1%eth0",
        "0x7f.1",
        "127.1",
        "2130706433",
        "010.0.0.1",
        "192.0.2.1\n",
        "\u0661.1.1.1",
        "1" * 10_000,
    ],
)
def test_anything_else_is_garbage(entry: str) -> None:
    assert parse_address(entry) is None


@given(ANY_ADDRESS, st.integers(0, 65535))
def test_every_address_is_found_in_every_notation(address: str, port: int) -> None:
    notations = [f"[{address}]", f"[{address}]:{port}"] if ":" in address else [f"{address}:{port}"]
    found = {parse_address(notation) for notation in [address, *notations]}
    assert len(found) == 1
    assert None not in found


@given(st.text(max_size=80))
def test_no_text_makes_it_raise_and_what_it_finds_it_finds_again(text: str) -> None:
    address = parse_address(text)
    assert address is None or parse_address(address) == address


def test_networks_hold_their_addresses_and_no_others() -> None:
    trusted = TrustedNetworks(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"])
    assert "10.255.0.1" in trusted
    assert "192.0.2.7" in trusted
    assert "2001:db8::5" in trusted
    assert "11.0.0.1" not in trusted
    assert "192.0.2.8" not in trusted
    assert "2001:db9::5" not in trusted
    assert "garbage" not in trusted


def test_a_mapped_address_is_in_the_network_of_the_ipv4_address() -> None:
    assert "::ffff:10.0.0.1" in TrustedNetworks(["10.0.0.0/8"])


def test_nobody_is_trusted_without_networks() -> None:
    trusted = TrustedNetworks([])
    assert not trusted
    assert "127.0.0.1" not in trusted


@pytest.mark.parametrize("network", ["10.0.0.0/33", "10.0.0.1/8", "proxy.example", ""])
def test_what_is_no_network_is_a_configuration_error(network: str) -> None:
    with pytest.raises(ConfigurationError, match="trusted_proxies"):
        TrustedNetworks([network])


def test_an_entry_too_long_for_an_address_is_refused_before_it_is_remembered() -> None:
    trusted = TrustedNetworks(["10.0.0.0/8"])
    assert trusted.judge("1" * (LONGEST_ENTRY + 1)) == (None, False)
    assert trusted.judge("10.0.0.1:80") == ("10.0.0.1", True)
    assert trusted.judge("10.0.0.1:80") == ("10.0.0.1", True)
