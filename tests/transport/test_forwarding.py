"""What a proxy changes about a message's headers, and what it leaves."""

from __future__ import annotations

import pytest

from api_gateway.core.headers import HeaderPairs
from api_gateway.core.request import Request
from api_gateway.transport.forwarding import VIA, downstream_headers, upstream_headers


def test_towards_the_service_host_is_replaced_and_comes_first() -> None:
    request = Request("GET", "/", [("accept", "*/*"), ("host", "client.example"), ("cookie", "a=1")])
    assert upstream_headers(request, b"users:9001") == [
        (b"host", b"users:9001"),
        (b"accept", b"*/*"),
        (b"cookie", b"a=1"),
        VIA,
    ]


def test_towards_the_service_framing_is_left_to_the_transport() -> None:
    request = Request("POST", "/", [("content-length", "5"), ("transfer-encoding", "chunked"), ("x", "1")])
    assert upstream_headers(request, b"h") == [(b"host", b"h"), (b"x", b"1"), VIA]


def test_an_earlier_via_stays_and_ours_follows() -> None:
    request = Request("GET", "/", [("via", "1.0 other")])
    assert upstream_headers(request, b"h")[1:] == [(b"via", b"1.0 other"), VIA]


def test_the_request_itself_is_left_as_it_was() -> None:
    request = Request("GET", "/", [("host", "client.example")])
    upstream_headers(request, b"h")
    assert request.headers.pairs == [(b"host", b"client.example")]


@pytest.mark.parametrize(
    "name", ["connection", "keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer", "upgrade",
             "transfer-encoding"],
)  # fmt: skip
def test_towards_the_client_hop_by_hop_headers_go(name: str) -> None:
    pairs: HeaderPairs = [(name.encode(), b"x-named"), (b"x-kept", b"1")]
    assert downstream_headers(pairs).pairs == [(b"x-kept", b"1"), VIA]


def test_towards_the_client_headers_named_by_connection_go_but_never_the_length() -> None:
    pairs: HeaderPairs = [
        (b"connection", b"close, X-Private, content-length"),
        (b"x-private", b"1"),
        (b"content-length", b"2"),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
    ]
    expected = [(b"content-length", b"2"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), VIA]
    assert downstream_headers(pairs).pairs == expected
