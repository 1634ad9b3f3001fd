"""Cache fill: one body on its way from the service, collected while it streams, for one client or for several.

    service -> chunk, chunk, chunk -> client
                    |-> others who asked for the same
                    `-> the store, when the end has come

Rule: with one reader the body is pulled by that reader, in its own task and at its own pace. When a second one joins,
a task takes over the pulling, so that no reader's pace or departure is another's. The body is kept when all of it is
there: as many bytes as `Content-Length` announces or, without one, up to a clean end. What is cut is not kept.

| happens                                | then                                                                 |
|----------------------------------------|----------------------------------------------------------------------|
| one joins while the first waits for    | it waits for that chunk, too: the first may leave, and would take    |
| a chunk                                | the answer with it                                                   |
| a reader leaves, others stay           | nothing for the others                                               |
| the last reader leaves                 | the rest is abandoned: the service's answer is closed, nothing kept  |
| the service fails in the middle        | every reader's body fails, nothing is kept                           |
| the body is larger than `limit`        | it streams on, nothing is kept, nobody can join any more             |
| a reader is slow                       | up to `limit` bytes wait for it; beyond, all go at the slowest's pace|

Bound: `limit` bytes in memory, and as much for a slow reader of a body that is larger.
Cost: about 20 us for a body of one chunk with one reader. A second reader costs a task.

What it does not do: decide what may be kept or shared (`caching/`), or put it anywhere (`cache_middleware.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Protocol, cast

from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import UpstreamReset
from api_gateway.middleware.cache.buffer import ChunkBuffer


class Destination(Protocol):
    """Where a body goes that is to be kept; one of its functions is called, once."""

    def kept(self, body: bytes) -> None:
        """All of it is there."""
        ...

    def lost(self, *, too_large: bool) -> None:
        """It was cut, or has grown over the limit."""
        ...


class Fill:
    """A body on its way."""

    ended: bool
    """Whether the service's answer is done with, in whatever way."""
    too_large: bool

    def __init__(
        self,
        response: Response,
        limit: int,
        destination: Destination,
        adopt: Callable[[asyncio.Task[None]], None],
    ) -> None:
        """Take over `response`, whose body is a stream: whatever happens, it is closed.

        `adopt` is told of the task, if there is one, so that its owner can end it.
        """
        self._response = response
        self._source = cast("AsyncGenerator[bytes, None]", response.stream())
        self._limit = limit
        self._destination: Destination | None = destination
        self._adopt = adopt
        length = response.header("content-length") or ""
        self._announced = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else None
        self._buffer = ChunkBuffer()
        self._readers: set[Reader] = set()
        self._wanted = 0
        self._pulling = False
        self._pump: asyncio.Task[None] | None = None
        self._error: BaseException | None = None
        self.ended = False
        self.too_large = self._announced is not None and self._announced > limit

    def reader(self) -> Reader:
        """A body for whoever asked first."""
        reader = Reader(self)
        self._readers.add(reader)
        return reader

    async def join(self) -> Reader | None:
        """The same body from its beginning for somebody else; None if it is too late, or it has failed meanwhile."""
        if self.too_large or self.ended:
            return None
        self._wanted += 1
        try:
            while self._pulling and not self.ended:
                await self._buffer.news()
            if self.too_large or self.ended:
                return None
            self._share()
            return self.reader()
        finally:
            self._wanted -= 1
            await self._abandon_if_alone()

    def _share(self) -> None:
        if self._pump is None and not self.ended:
            self._pump = asyncio.get_running_loop().create_task(self._run(), name="cache fill")
            self._pump.add_done_callback(self._stopped)
            self._adopt(self._pump)

    def _stopped(self, pump: asyncio.Task[None]) -> None:
        if not self.ended:  # ended before its first step
            self._fail(asyncio.CancelledError("the gateway closes"))

    async def next_chunk(self, reader: Reader) -> bytes:
        """The next chunk for `reader`.

        Raises:
            StopAsyncIteration: there is none.
            Exception: the rest is lost.
        """
        while True:
            if reader.place < self._buffer.end:
                chunk = self._buffer[reader.place]
                reader.place += 1
                if self.too_large:
                    self._drop_what_all_have()
                return chunk
            if self._error is not None:
                raise UpstreamReset(f"the answer that is shared ended early: {self._error!r}")
            if self.ended:
                raise StopAsyncIteration
            if self._pump is None:
                await self._pull()
            else:
                await self._buffer.news()

    async def leave(self, reader: Reader) -> None:
        """`reader` wants no more."""
        self._readers.discard(reader)
        if self.too_large:
            self._drop_what_all_have()
        if not self._readers:
            await self._abandon_if_alone()

    async def _pull(self) -> None:
        """One chunk, in the task of the only reader."""
        self._pulling = True
        try:
            chunk = await anext(self._source, None)
        except BaseException as error:  # a cancellation, too: it has ended the source
            self._fail(error)
            raise
        finally:
            self._pulling = False
            self._buffer.wake()
        if chunk is None:
            self._end()
            return
        self._take(chunk)
        if self._wanted:
            self._share()

    async def _run(self) -> None:
        """All that is left, in a task of its own."""
        try:
            async for chunk in self._source:
                self._take(chunk)
                while self.too_large and self._buffer.held > self._limit and self._readers:
                    await self._buffer.news()
            self._end()
        except BaseException as error:
            self._fail(error)
            if not isinstance(error, Exception):
                raise
        finally:
            await self._source.aclose()
            await self._response.close()

    def _take(self, chunk: bytes) -> None:
        self._buffer.add(chunk)
        if not self.too_large and self._buffer.size > self._limit:
            self.too_large = True
            self._lose()
        if self.too_large:
            self._drop_what_all_have()
        elif self._buffer.size == self._announced:
            self._complete()
        self._buffer.wake()

    def _complete(self) -> None:
        destination, self._destination = self._destination, None
        if destination is not None:
            destination.kept(self._buffer.whole())

    def _end(self) -> None:
        self.ended = True
        if self._announced is None or self._announced == self._buffer.size:
            self._complete()
        self._lose()
        self._buffer.wake()

    def _fail(self, error: BaseException) -> None:
        self.ended = True
        self._error = error
        self._lose()
        self._buffer.wake()

    def _lose(self) -> None:
        destination, self._destination = self._destination, None
        if destination is not None:
            destination.lost(too_large=self.too_large)

    def _drop_what_all_have(self) -> None:
        self._buffer.drop_until(min((reader.place for reader in self._readers), default=self._buffer.end))

    async def _abandon_if_alone(self) -> None:
        if self._readers or self._wanted:
            return
        if self._pump is not None and not self._pump.done():
            self._pump.cancel()
            await asyncio.wait([self._pump])
        if not self.ended:  # also where the task was ended before its first step
            self._fail(asyncio.CancelledError("nobody reads on"))
        await self._source.aclose()
        await self._response.close()


class Reader:
    """The body for one of those who read it."""

    __slots__ = ("_fill", "place")

    place: int
    """Chunks taken."""

    def __init__(self, fill: Fill) -> None:
        self._fill = fill
        self.place = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    def __anext__(self) -> Awaitable[bytes]:  # no coroutine of its own around that of the fill
        return self._fill.next_chunk(self)

    def aclose(self) -> Awaitable[None]:
        """Read no more."""
        return self._fill.leave(self)
