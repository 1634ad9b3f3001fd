"""What ASGI is told about a request: of one connection, and yet each its own."""

from __future__ import annotations

import asyncio
from typing import cast

from api_gateway.core.asgi import CONNECTION_EXTENSION
from api_gateway.server.edge_exchange import EdgeExchange
from api_gateway.server.edge_scope import EdgeScope

ADDRESSES = {"peername": ("192.0.2.7", 50_000), "sockname": ("192.0.2.1", 8080)}


def scope() -> EdgeScope:
    return EdgeScope(asyncio.Transport(ADDRESSES))


def exchange() -> EdgeExchange:
    return cast(EdgeExchange, object())  # only handed on


def test_a_scope_says_who_asks_for_what() -> None:
    one = exchange()
    said = scope().for_request(one, "GET", b"/a%20b?c=%20d", "1.1", [(b"host", b"h")])
    assert said["client"] == ADDRESSES["peername"]
    assert said["server"] == ADDRESSES["sockname"]
    assert (said["type"], said["scheme"], said["method"], said["http_version"]) == ("http", "http", "GET", "1.1")
    assert (said["path"], said["raw_path"], said["query_string"]) == ("/a b", b"/a%20b", b"c=%20d")
    assert said["headers"] == [(b"host", b"h")]
    assert said["extensions"][CONNECTION_EXTENSION] is one


def test_the_requests_of_one_connection_do_not_see_each_other() -> None:
    connection = scope()
    first = connection.for_request(exchange(), "PUT", b"/first?x", "1.1", [(b"a", b"b")])
    first["state"] = first["extensions"]["more"] = "the first one's"
    second = connection.for_request(exchange(), "GET", b"/second", "1.0", [])
    assert (first["path"], second["path"]) == ("/first", "/second")
    assert "state" not in second
    assert "more" not in second["extensions"]
    assert (second["query_string"], second["headers"]) == (b"", [])


def test_a_connection_without_an_address_has_no_client() -> None:
    assert EdgeScope(asyncio.Transport({})).client is None
