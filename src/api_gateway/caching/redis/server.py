"""Server: where the answers are kept, and how it is asked.

Rule: one connection carries everything (`redis_link/link.py`). While there is none nobody waits: `StoreUnavailable` at
once, until a task of its own has a connection again (`redis_link/uplink.py`). A server that is slow costs a request
`timeout` at most; one that says nothing to anybody for so long is out of reach.

For /metrics: `reachable`, `outages`, `unavailable`, `errors`, `repeated`. Going down and coming back is a line each in
the log.

What it does not do: know what is kept. `redis_store.py` does.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from typing import TypeVar

from api_gateway.caching.cache_store import StoreUnavailable
from api_gateway.redis_link.connecting import ServerAddress
from api_gateway.redis_link.link import Link
from api_gateway.redis_link.linked_store import LinkedStore
from api_gateway.redis_link.request import StoreFailed
from api_gateway.redis_link.resp import bulks, command
from api_gateway.redis_link.script import Script
from api_gateway.redis_link.uplink import Uplink

DEFAULT_TIMEOUT = 0.25
"""Seconds that a request waits for the server at most."""

_log = logging.getLogger("api_gateway.caching")
_Answer = TypeVar("_Answer")


class ServerRefused(StoreUnavailable):
    """The server answered this one request with an error, and is there for others."""


class CacheServer(LinkedStore):
    """A Redis or Valkey server."""

    def __init__(self, url: str, timeout: float, probe_key: str) -> None:
        """Connects at the first request; `probe_key` is what is written for a trial then.

        Raises:
            ValueError: it is no usable URL, or the timeout is not positive.
        """
        if not 0 < timeout < math.inf:
            raise ValueError(f"timeout must be a positive number of seconds, not {timeout!r}")
        self.unavailable = 0
        """Requests that it did not answer, or not in time."""
        self._timeout = timeout
        self._closed = False
        self._uplink = Uplink(
            ServerAddress(url),
            probe_key=probe_key,
            timeout=timeout,
            on_up=lambda _: None,
            name="cache store",
            meanwhile="nothing is found in it or kept",
            log=_log,
            large_replies=True,
        )

    @property
    def unsent(self) -> int:
        """Bytes that wait for it to read."""
        link = self._uplink.link
        return 0 if link is None else link.unsent

    async def command(self, *words: bytes | str | int) -> object:
        """Its reply to a command.

        Raises:
            StoreUnavailable: there is none.
        """
        link = await self._link()
        return await self._answer(link, link.ask_command(command(*words)))

    async def call(self, script: Script, keys: Sequence[bytes], *arguments: bytes | int) -> int:
        """The number that a script returns.

        Raises:
            StoreUnavailable: it returns none.
        """
        link = await self._link()
        head = b"*%d\r\n" % (3 + len(keys) + len(arguments))
        (number,) = await self._answer(link, link.ask(head, script, bulks(len(keys), *keys, *arguments)))
        return number

    async def close(self) -> None:
        """Close the connection; again is fine.

        Raises:
            RuntimeError: another event loop runs than the one it was used in.
        """
        self._uplink.check_loop()
        self._closed = True
        await self._uplink.close()

    async def _link(self) -> Link:
        if self._closed:
            raise StoreUnavailable("this cache store is closed")
        self._uplink.check()
        link = self._uplink.link or await self._uplink.first_link()
        if link is None:
            self.unavailable += 1
            raise StoreUnavailable(f"cache store {self.shown}: {self._uplink.why_down}")
        return link

    async def _answer(self, link: Link, asked: asyncio.Future[_Answer]) -> _Answer:
        try:
            async with asyncio.timeout(self._timeout):
                return await asked
        except StoreFailed as error:
            reason = str(error)
            failure = StoreUnavailable if link.lost else ServerRefused
        except TimeoutError:
            reason = f"no answer within {self._timeout:g} s"
            failure = StoreUnavailable
        self.unavailable += 1
        raise failure(f"cache store {self.shown}: {reason}")
