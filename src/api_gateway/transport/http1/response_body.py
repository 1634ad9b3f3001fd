"""Response body: the stream between an upstream connection and whoever reads the response.

Rule: bytes pass as they arrive, without delay. When more than
`HIGH_WATER` bytes wait for the reader, the connection stops reading, TCP's window closes, and the
service has to wait: memory stays bounded whatever the size of the body.

A body that ends early raises; it never just stops. Abandoning it closes the connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from api_gateway.core.upstream_errors import UpstreamReset

HIGH_WATER = 64 * 1024
"""Bytes waiting at which reading from the service stops."""


class Source(Protocol):
    """The connection, as its body sees it."""

    def resume_body(self) -> None:
        """Read on: the reader has caught up."""
        ...

    def abort(self) -> None:
        """Nobody wants the rest."""
        ...


class ResponseBody:
    """An asynchronous iterator of chunks, fed by a connection."""

    __slots__ = ("_chunks", "_ended", "_error", "_source", "_waiter", "_waiting")

    def __init__(self, source: Source, beginning: bytes) -> None:
        """`beginning` is what came together with the head; may be empty."""
        self._source = source
        self._chunks = deque([beginning] if beginning else ())
        self._waiting = len(beginning)
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self._error: Exception | None = None

    def feed(self, chunk: bytes) -> bool:
        """Add a chunk; True when the connection should stop reading for now."""
        self._chunks.append(chunk)
        self._waiting += len(chunk)
        self._wake()
        return self._waiting > HIGH_WATER

    def end(self, error: Exception | None = None) -> None:
        """Nothing more will come; with `error`, because the rest is lost."""
        if not self._ended:
            self._ended = True
            self._error = error
            self._wake()

    def __aiter__(self) -> ResponseBody:
        return self

    async def __anext__(self) -> bytes:
        while not self._chunks:
            if self._ended:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        chunk = self._chunks.popleft()
        was_full = self._waiting > HIGH_WATER
        self._waiting -= len(chunk)
        if was_full and self._waiting <= HIGH_WATER and not self._ended:
            self._source.resume_body()
        return chunk

    async def aclose(self) -> None:
        """Abandon the rest."""
        if not self._ended:
            self._source.abort()
        if self._chunks:
            self._chunks.clear()
            self._error = UpstreamReset("the response was closed before it was read to its end")

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
