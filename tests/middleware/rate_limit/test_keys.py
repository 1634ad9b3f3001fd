"""Rate-limit keys: one caller, one key; two callers, two; none, refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway import Headers, Request, RequestContext
from api_gateway.core.errors import BadRequest, CallerUnknown, NotFound
from api_gateway.core.identity import Identity
from api_gateway.middleware.rate_limit.keys import (
    IN_PROCESS,
    ByHeader,
    ByRoute,
    KeyFunction,
    by_client_ip,
    by_identity,
    combined,
)

GET = Request("GET", "/")


def key_of_address(address: str) -> str:
    return by_client_ip(GET, RequestContext(0, address, "http", "1.1"))


def request_with(*values: str) -> Request:
    return Request("GET", "/", [("x-api-key", value) for value in values])


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("[::ffff:192.0.2.7]:4711", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:0DB8:1:2::6", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::1]:443", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("testclient", "testclient"),
    ],
)
def test_an_address_is_one_key_in_all_its_spellings(address: str, key: str) -> None:
    assert key_of_address(address) == key


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_ipv6_clients_share_a_key_exactly_if_they_share_their_64(network: int, one: int, other: int) -> None:
    def address(prefix: int, suffix: int) -> str:
        digits = f"{prefix:016x}{suffix:016x}"
        return ":".join(digits[start : start + 4] for start in range(0, 32, 4))

    mapped = network == 0 and (one >> 32 == 0xFFFF or other >> 32 == 0xFFFF)
    assert mapped or key_of_address(address(network, one)) == key_of_address(address(network, other))
    assert key_of_address(address(network, one)) != key_of_address(address(network ^ 1 << 63, one))


def test_the_address_is_the_one_that_trusted_proxies_vouch_for() -> None:
    context = RequestContext(0, "10.0.0.1", "http", "1.1")
    context.client_address = "192.0.2.7"
    assert by_client_ip(GET, context) == "192.0.2.7"


def test_the_program_itself_is_one_caller_but_a_connection_without_an_address_is_nobody() -> None:
    assert by_client_ip(GET, RequestContext()) == IN_PROCESS
    with pytest.raises(CallerUnknown):
        by_client_ip(GET, RequestContext(0, "", "http", "1.1"))


def test_a_long_name_for_a_peer_takes_no_more_room_than_an_address() -> None:
    assert len(key_of_address("x:" * 10_000)) == 32


def test_an_identity_is_needed_and_two_are_two_keys() -> None:
    one, other = RequestContext(), RequestContext()
    with pytest.raises(CallerUnknown):
        by_identity(GET, one)
    one.identity, other.identity = Identity("anna", "jwt"), Identity("berta", "jwt")
    assert by_identity(GET, one) != by_identity(GET, other)


@pytest.mark.parametrize("values", [(), ("",), ("a", "b"), ("a", "a"), ("", "a")])
def test_a_header_that_is_not_there_once_with_a_value_is_refused(values: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest, match="X-API-Key must be there, once, with a value"):
        ByHeader("X-API-Key")(request_with(*values), RequestContext())


@given(st.text("abcXYZ019-_", min_size=1, max_size=300), st.text("abcXYZ019-_", min_size=1, max_size=300))
def test_a_header_value_is_one_key_of_one_length_and_not_the_value(one: str, other: str) -> None:
    by_key = ByHeader("x-api-key")
    keys = [by_key(request_with(value), RequestContext()) for value in (one, other)]
    assert [len(key) for key in keys] == [32, 32]
    assert (keys[0] == keys[1]) == (one == other)
    assert one not in keys


def test_the_route_is_asked_for_only_before_it_is_known() -> None:
    context = RequestContext()
    assert ByRoute(lambda request: f"found for {request.path}")(GET, context) == "found for /"
    context.route = "users"
    assert ByRoute(lambda _: "other")(GET, context) == "users"
    assert ByRoute()(GET, context) == "users"


def test_a_route_that_does_not_exist_is_no_key() -> None:
    def nowhere(request: Request) -> str:
        raise NotFound

    with pytest.raises(NotFound):
        ByRoute(nowhere)(GET, RequestContext())
    with pytest.raises(CallerUnknown):
        ByRoute()(GET, RequestContext())


def fixed(value: str) -> KeyFunction:
    return lambda _request, _context: value


def test_a_single_part_is_the_key_itself() -> None:
    assert combined([by_client_ip]) is by_client_ip


@given(st.lists(st.text(min_size=1), min_size=2, max_size=3), st.lists(st.text(min_size=1), min_size=2, max_size=3))
def test_no_two_combinations_are_the_same_key(one: list[str], other: list[str]) -> None:
    def key(values: list[str]) -> str:
        return combined([fixed(value) for value in values])(GET, RequestContext())

    assert (key(one) == key(other)) == (one == other)


@pytest.mark.parametrize("order", [lambda parts: parts, lambda parts: parts[::-1]])
def test_a_combination_needs_all_its_parts(order: Callable[[list[KeyFunction]], list[KeyFunction]]) -> None:
    with pytest.raises(BadRequest):
        combined(order([by_client_ip, ByHeader("x")]))(Request("GET", "/", Headers()), RequestContext())
