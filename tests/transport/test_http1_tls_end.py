"""A body that ends with its connection: over TLS, only the service's own word ends it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import UpstreamReset
from api_gateway.transport.http1 import Http1Transport
from api_gateway.transport.http1.tls_end import ended_by_service
from api_gateway.transport.transport import Timeouts
from tests.support.certificates import client_context, server_context


@asynccontextmanager
async def one_answer(answer: bytes, *, properly: bool) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A TLS server, blocking, for one answer, ended by `close_notify` or by a bare FIN; and when it is done."""

    def serve() -> None:
        accepted, _ = server.accept()
        with server_context().wrap_socket(accepted, server_side=True) as peer:
            peer.settimeout(5)
            peer.recv(65536)
            peer.sendall(answer)
            if properly:
                peer.settimeout(0)
                with pytest.raises(ssl.SSLWantReadError):
                    peer.unwrap()  # says close_notify, and does not wait for the client's
            with socket.socket(fileno=peer.detach()) as bare:
                bare.shutdown(socket.SHUT_WR)

    with socket.create_server(("127.0.0.1", 0)) as server:
        serving = asyncio.create_task(asyncio.to_thread(serve))
        done = asyncio.Event()
        serving.add_done_callback(lambda _: done.set())
        yield f"https://127.0.0.1:{server.getsockname()[1]}", done
        await serving


@asynccontextmanager
async def answer_from(url: str) -> AsyncIterator[Response]:
    transport = Http1Transport(Timeouts(5, 5, 5), tls=client_context())
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, complaint: complaints.append(complaint))
    yield await transport.send(url, Request("GET", "/"), RequestContext())
    await transport.close()
    await asyncio.sleep(0)
    assert complaints == []


async def test_a_body_ended_by_the_service_is_whole() -> None:
    async with one_answer(b"HTTP/1.1 200 OK\r\n\r\nall of it", properly=True) as (url, _), answer_from(url) as response:
        assert await response.read() == b"all of it"


async def test_a_body_ended_by_a_bare_fin_may_have_been_truncated_and_fails() -> None:
    async with (
        one_answer(b"HTTP/1.1 200 OK\r\n\r\nall of it", properly=False) as (url, _),
        answer_from(url) as response,
    ):
        with pytest.raises(UpstreamReset):
            await response.read()


async def test_a_body_with_a_length_does_not_care_how_the_connection_ends() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nall of it"
    async with one_answer(answer, properly=False) as (url, _), answer_from(url) as response:
        assert await response.read() == b"all of it"


@pytest.mark.parametrize("properly", [True, False])
@pytest.mark.parametrize("missing", [0, 1])
async def test_a_service_may_leave_before_a_slow_reader_has_read(properly: bool, missing: int) -> None:
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (500_000 + missing)
    async with one_answer(head + bytes(500_000), properly=properly) as (url, left), answer_from(url) as response:
        await left.wait()
        chunks = response.stream()
        size = 0
        while size < 500_000:
            size += len(await anext(chunks))
            await asyncio.sleep(0)
        with pytest.raises(UpstreamReset if missing else StopAsyncIteration):
            await anext(chunks)


async def test_without_tls_there_is_nothing_to_ask() -> None:
    here, there = socket.socketpair()
    with there:
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=here)
        assert ended_by_service(transport)
        assert ended_by_service(None)
        transport.abort()
        await asyncio.sleep(0)
