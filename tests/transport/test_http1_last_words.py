"""A service that refuses an upload and closes at once: its answer is read all the same."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import logging
import socket
import threading
from collections.abc import AsyncIterator

import pytest

from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.upstream_errors import UpstreamReset
from api_gateway.transport.http1 import Http1Transport
from api_gateway.transport.http1.last_words import last_words
from tests.support.http1_client import SHORT

REFUSAL = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 60000\r\n\r\n" + b"n" * 60_000


async def upload_to_a_service_that_hangs_up(answer: bytes) -> tuple[int, bytes]:
    hung_up = threading.Event()

    def serve() -> None:
        peer, _ = server.accept()
        peer.recv(100)
        peer.sendall(answer)
        peer.close()  # with bytes unread: a reset
        hung_up.set()

    async def upload() -> AsyncIterator[bytes]:
        yield bytes(10_000)
        hung_up.wait()  # blocks the event loop on purpose: it must not read the answer before it writes on
        for _ in range(200):
            yield bytes(10_000)

    transport = Http1Transport(SHORT)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        serving = asyncio.create_task(asyncio.to_thread(serve))
        try:
            response = await transport.send(url, Request("POST", "/", (), upload()), RequestContext())
            return response.status, await response.read()
        finally:
            await serving
            assert (transport.pool(url).active, transport.pool(url).idle) == (0, 0)
            await transport.close()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_refusal_before_the_reset_reaches_the_client(loop: str, caplog: pytest.LogCaptureFixture) -> None:
    if importlib.util.find_spec(loop) is None:
        pytest.skip(f"{loop} is not installed (extra `speed`)")
    with (
        caplog.at_level(logging.WARNING),
        asyncio.Runner(loop_factory=importlib.import_module(loop).new_event_loop) as runner,
    ):
        assert runner.run(upload_to_a_service_that_hangs_up(REFUSAL)) == (413, b"n" * 60_000)
    assert caplog.records == []  # nothing was written to a connection known to be broken


async def test_half_a_refusal_is_still_a_cut() -> None:
    with pytest.raises(UpstreamReset):
        await upload_to_a_service_that_hangs_up(REFUSAL[:-1])


async def test_half_a_head_is_still_a_reset() -> None:
    with pytest.raises(UpstreamReset):
        await upload_to_a_service_that_hangs_up(REFUSAL[:20])


async def test_a_refusal_without_a_length_cannot_be_known_to_be_whole() -> None:
    with pytest.raises(UpstreamReset):
        await upload_to_a_service_that_hangs_up(b"HTTP/1.1 413 Content Too Large\r\n\r\nno.")


def test_without_a_connection_there_are_no_words() -> None:
    assert list(last_words(None)) == []
