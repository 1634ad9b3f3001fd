"""What event loops do differently, asyncio's and uvloop's: closing, pausing, TLS, cancelling."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import pytest

from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.upstream_errors import ConnectFailed, UpstreamProtocolError, UpstreamReset, UpstreamTimeout
from api_gateway.transport.http1 import Http1Transport
from tests.support.certificates import client_context, server_context
from tests.support.http1_client import SHORT, Http1Client, http1_client
from tests.support.sockets import refused_port

Scenario: TypeAlias = Callable[[Http1Client], Awaitable[None]]


async def _keep_alive(client: Http1Client) -> None:
    for _ in range(3):
        await client.next_answer_is_its_own()
    assert (client.origin.connections, client.pool.idle) == (1, 1)


async def _stale(client: Http1Client) -> None:
    for name in ("close-on-next", "reset-on-next"):
        await client.get(f"/{name}")
        assert await client.get("/again") == b"GET /again"


async def _doubts(client: Http1Client) -> None:
    for name in ("surplus", "surplus-later", "length-on-204", "close-delimited", "connection-close"):
        assert await client.get(f"/{name}") in (b"ok", b"", b"all there is")
        await client.next_answer_is_its_own()


async def _bad_answers(client: Http1Client) -> None:
    for name, error in {
        "garbage": UpstreamProtocolError,
        "endless-headers": UpstreamProtocolError,
        "short-body": UpstreamReset,
        "reset-in-head": UpstreamReset,
        "half-closes-and-never-reads": UpstreamReset,
        "never-answers": UpstreamTimeout,
    }.items():
        with pytest.raises(error):
            await client.get(f"/{name}")
        assert (client.pool.active, client.pool.idle) == (0, 0)


async def _back_pressure(client: Http1Client) -> None:
    response = await client.send("GET", "/flood")
    await client.origin.until(lambda: client.origin.stalled >= 1)
    assert client.origin.written < 16 * 2**20
    assert sum([len(chunk) async for chunk in response.stream()]) == 64 * 2**20
    response = await client.send("GET", "/flood")
    await client.origin.until(lambda: client.origin.stalled >= 2)
    await response.close()


async def _echo(client: Http1Client) -> None:
    sent, received = hashlib.sha256(), hashlib.sha256()

    async def upload() -> AsyncIterator[bytes]:
        source = random.Random(3)
        for _ in range(40):
            piece = source.randbytes(100_000)
            sent.update(piece)
            yield piece

    response = await client.send("POST", "/echo", body=upload())
    async for chunk in response.stream():
        received.update(chunk)
    assert received.digest() == sent.digest()


async def _upload_not_taken(client: Http1Client) -> None:
    produced = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal produced
        while True:
            produced += 65536
            yield bytes(65536)

    with pytest.raises(UpstreamTimeout):
        await client.send("POST", "/never-reads", body=endless())
    assert produced < 16 * 2**20
    response = await client.send("POST", "/early-answer", body=bytes(2**23))
    assert (response.status, await response.read(), client.pool.idle) == (413, b"no.", 0)


async def _cancelled(client: Http1Client) -> None:
    for ticks in range(12):
        task = asyncio.create_task(client.send("GET", "/never-answers"))
        for _ in range(ticks):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert client.pool.active == 0
    await client.next_answer_is_its_own()


async def _closed_while_busy(client: Http1Client) -> None:
    response = await client.send("GET", "/stall-in-body")
    pool = client.pool
    await client.transport.close()
    with pytest.raises(UpstreamReset):
        await response.read()
    assert (pool.active, pool.idle) == (0, 0)


async def _nobody_there(client: Http1Client) -> None:
    transport = Http1Transport(SHORT)
    for host in (f"127.0.0.1:{refused_port()}", "nonexistent.invalid"):
        with pytest.raises(ConnectFailed):
            await transport.send(f"http://{host}", Request("GET", "/"), RequestContext())


SCENARIOS = [
    _keep_alive, _stale, _doubts, _bad_answers, _back_pressure, _echo, _upload_not_taken, _cancelled,
    _closed_while_busy, _nobody_there,
]  # fmt: skip


def run(loop: str, scenario: Scenario, *, tls: bool) -> None:
    if loop == "uvloop" and importlib.util.find_spec("uvloop") is None:
        pytest.skip("uvloop is not installed (extra `speed`)")

    async def play() -> None:
        contexts = {"server_tls": server_context(), "tls": client_context()} if tls else {}
        async with http1_client(**contexts) as client:  # type: ignore[arg-type]
            await scenario(client)

    factory = importlib.import_module(loop).new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(play())


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__[1:].replace("_", "-"))
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_both_event_loops_behave(loop: str, scenario: Scenario) -> None:
    run(loop, scenario, tls=False)


@pytest.mark.parametrize(
    "scenario", [_keep_alive, _doubts, _back_pressure, _echo], ids=lambda scenario: scenario.__name__[1:]
)
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_both_event_loops_behave_over_tls(loop: str, scenario: Scenario) -> None:
    run(loop, scenario, tls=True)
