"""The Forwarded header: read as RFC 7239 writes it, garbage recognised, quoting in both directions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.middleware.addresses import parse_address
from api_gateway.middleware.forwarded_header import LONGEST_WALK, element, hops, known_scheme, node


def entries(field: str) -> list[str | None]:
    """The addresses of the hops, last first; None for garbage."""
    return [parse_address(entry) for entry, _ in hops(field)]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ('for="_mdn"', [None]),
        ('For="[2001:db8:cafe::17]:4711"', ["2001:db8:cafe::17"]),
        ("for=192.0.2.60;proto=http;by=203.0.113.43", ["192.0.2.60"]),
        ("for=192.0.2.43, for=198.51.100.17", ["198.51.100.17", "192.0.2.43"]),
        ('for=192.0.2.43,for="[2001:db8:cafe::17]"', ["2001:db8:cafe::17", "192.0.2.43"]),
        ("for=192.0.2.43:80", ["192.0.2.43"]),
        ('for=192.0.2.43;host="a, for=6.6.6.6"', ["192.0.2.43"]),
        (r'for="192.0.\2.43"', ["192.0.2.43"]),
        ("for=192.0.2.43, ,for=unknown", [None, "192.0.2.43"]),
        (" for=192.0.2.43 ; proto=https ", ["192.0.2.43"]),
    ],
)
def test_the_examples_of_the_rfc_and_their_relatives_are_read(field: str, expected: list[str | None]) -> None:
    assert entries(field) == expected


@pytest.mark.parametrize(
    "element_text",
    [
        "192.0.2.1",
        "for",
        "for=",
        "=192.0.2.1",
        "proto=https",
        "for=192.0.2.1;for=192.0.2.2",
        "for=192.0.2.1;FOR=192.0.2.2",
        "for=192.0.2.1;",
        "for =192.0.2.1",
        'for="192.0.2.1"x',
        "for=192.0.2.1 proto=https",
    ],
)
def test_an_element_that_breaks_the_grammar_is_garbage_and_its_neighbours_are_not(element_text: str) -> None:
    assert entries(f"for=198.51.100.1, {element_text}, for=198.51.100.2") == ["198.51.100.2", None, "198.51.100.1"]


@pytest.mark.parametrize("opened", ['for="', 'for=6.6.6.6, x="', 'for=6.6.6.6;x="\\', '"', 'for=6.6.6.6;host="a\\"'])
@pytest.mark.parametrize(
    "appended", ["for=192.0.2.1", 'for="[2001:db8::1]"', 'for=192.0.2.1;host="a:80"', 'for=192.0.2.1;host=";a=b"']
)
def test_a_quote_left_open_before_the_proxys_element_makes_everything_garbage(opened: str, appended: str) -> None:
    assert entries(f"{opened}, {appended}")[0] is None


def test_the_scheme_of_a_hop_is_its_own() -> None:
    field = "for=192.0.2.1;proto=HTTPS, for=192.0.2.2;proto=http, for=192.0.2.3, for=192.0.2.4;proto=gopher"
    assert list(hops(field)) == [
        ("192.0.2.4", None),
        ("192.0.2.3", None),
        ("192.0.2.2", "http"),
        ("192.0.2.1", "https"),
    ]


def test_no_more_hops_are_read_than_anybody_has() -> None:
    assert len(list(hops(", ".join(["for=192.0.2.1"] * 500)))) == LONGEST_WALK


@pytest.mark.parametrize(("text", "scheme"), [("http", "http"), ("HTTPS", "https"), ("ws", None), ("", None)])
def test_only_http_and_https_are_schemes(text: str, scheme: str | None) -> None:
    assert known_scheme(text) == scheme


def test_an_address_without_a_name_is_unknown_and_ipv6_is_bracketed_and_quoted() -> None:
    assert node("") == "unknown"
    assert node("192.0.2.1") == "192.0.2.1"
    assert node("2001:db8::1") == '"[2001:db8::1]"'


def test_a_host_with_a_port_is_quoted() -> None:
    assert element("192.0.2.1", "https", b"example.com") == b"for=192.0.2.1;proto=https;host=example.com"
    assert element("192.0.2.1", "http", b"a.example:80") == b'for=192.0.2.1;proto=http;host="a.example:80"'
    assert element("192.0.2.1", "http", b"") == b"for=192.0.2.1;proto=http"


HOSTS = st.binary(max_size=40).filter(lambda host: not set(host) & set(b"\r\n\0"))


@given(st.ip_addresses().map(str), st.sampled_from(["http", "https"]), HOSTS)
def test_what_is_written_is_read_again_whatever_the_host(address: str, scheme: str, host: bytes) -> None:
    written = element(address, scheme, host).decode("latin-1")
    assert list(hops(f"{written}, {written}")) == [(hop := next(hops(written))), hop]
    assert (parse_address(hop[0]), hop[1]) == (parse_address(address), scheme)


@given(st.text(alphabet='for=;," \\[]:.0123456789abxyz', max_size=200))
def test_no_field_makes_it_raise(field: str) -> None:
    assert len(list(hops(field))) <= LONGEST_WALK
