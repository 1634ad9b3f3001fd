"""Plain HTTP is sent to HTTPS, and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import nullcontext

import pytest

from api_gateway.core.asgi import AsgiApplication
from api_gateway.core.clock import SystemClock
from api_gateway.server.http_server import HttpServer
from api_gateway.server.sockets import listen
from api_gateway.server.tls.redirect import Redirect
from tests.support.raw_client import RawResponse, connect

OURS = {"api.example", "127.0.0.1", "::1"}


class Plain:
    """The plain port, as it runs beside HTTPS."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def ask(self, request: bytes) -> RawResponse:
        async with connect(self.port) as client:
            client.send(request)
            return await client.response()

    async def location(self, target: str, host: str = "api.example", method: str = "GET") -> str | None:
        answer = await self.ask(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("latin-1"))
        assert answer.status == 308, answer
        return answer.header("location")


async def _plain(https_port: int) -> AsyncIterator[Plain]:
    server = HttpServer(AsgiApplication(Redirect(OURS.__contains__, https_port), SystemClock(), nullcontext()))
    with listen("127.0.0.1", 0) as listener:
        await server.start(listener)
        yield Plain(listener.getsockname()[1])
        await server.drain(0.0)


@pytest.fixture
async def plain() -> AsyncIterator[Plain]:
    async for each in _plain(443):
        yield each


@pytest.fixture
async def high() -> AsyncIterator[Plain]:
    async for each in _plain(8443):
        yield each


async def test_the_same_address_on_https(plain: Plain) -> None:
    assert await plain.location("/a/b?c=d&e=%20") == "https://api.example/a/b?c=d&e=%20"
    assert await plain.location("/", "API.example:8080") == "https://api.example/"
    assert await plain.location("/", "[::1]:80") == "https://[::1]/"


async def test_another_port_than_443_is_said(high: Plain) -> None:
    assert await high.location("/x") == "https://api.example:8443/x"
    assert await high.location("/x", "127.0.0.1:8080") == "https://127.0.0.1:8443/x"


async def test_a_path_cannot_become_a_host(plain: Plain) -> None:
    for target in ("//evil.test/", "/\\evil.test", "/@evil.test", "/..//evil.test"):
        assert await plain.location(target) == "https://api.example" + target


async def test_an_absolute_target_counts_as_its_host(plain: Plain) -> None:
    assert await plain.location("http://api.example/x", "evil.test") == "https://api.example/x"
    answer = await plain.ask(b"GET http://evil.test/x HTTP/1.1\r\nHost: api.example\r\n\r\n")
    assert (answer.status, answer.header("location")) == (400, None)


@pytest.mark.parametrize(
    "host",
    [
        b"evil.test",
        b"api.example.evil.test",
        b"api.example@evil.test",
        b"evil.test#api.example",
        b"api.example/evil",
        b"api.example:80:80",
        b"api.example:x",
        b"[::1",
        b"api.example,evil.test",
        b"\xff",
        b"",
    ],
)
async def test_a_host_that_is_not_ours_gets_no_redirect(plain: Plain, host: bytes) -> None:
    answer = await plain.ask(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
    assert (answer.status, answer.header("location")) == (400, None)
    assert b"evil" not in answer.body


async def test_no_host_and_two_hosts_get_no_redirect(plain: Plain) -> None:
    for fields in (b"", b"Host: api.example\r\nHost: api.example\r\n"):
        answer = await plain.ask(b"GET / HTTP/1.1\r\n" + fields + b"\r\n")
        assert answer.status == 400


async def test_a_post_stays_a_post_and_its_body_is_not_taken(plain: Plain) -> None:
    async with connect(plain.port) as client:
        client.send(b"POST /pay HTTP/1.1\r\nHost: api.example\r\nContent-Length: 1000000\r\n\r\nhalf")
        answer = await client.response()
    assert (answer.status, answer.header("location")) == (308, "https://api.example/pay")
    assert answer.header("connection") == "close"
