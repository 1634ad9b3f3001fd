"""Link: one connection to the server, on which many requests are under way at once.

Rule: what is asked during one tick of the event loop goes out together. A request is only put down; the
writer, which was woken by the first, finds all of them when its turn comes. It sends them without waiting for a
reply, in writes of `AT_ONCE`: the server works on the first while the next are packed, and answers the first
while it works on the next, so neither stands idle (with 50 callers half as many decisions again as in one write).
Replies come back in the order of the commands, so the reader gives each to the oldest request that has none.
While the server does not read, the writer waits, and more gathers.

One connection is enough: the server has one thread for commands, and what counts is how many system calls
and wake-ups there are for each.

Timeout: the oldest request says whether the server answers, because nobody overtakes; so there is one timer
for all. When it has waited for `timeout`, the link is lost, and with it all that is under way: they would
wait as long. A caller that is cancelled leaves its request in the queue; the reply is read and dropped.

What a lost link leaves open: whether the server has done what was under way. Nobody asks again, since that
could do it, and charge for it, twice.

What it does not do: connect (`connecting.py`), or come back (`uplink.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import TypeAlias, cast

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from api_gateway.redis_link.request import Request, StoreFailed
from api_gateway.redis_link.resp import command
from api_gateway.redis_link.script import Script

AT_ONCE = 16
"""Requests in one write."""

# Errors that every request would meet, whatever its key.
_OF_THE_SERVER = (AuthenticationError, ClusterDownError, NoPermissionError, OutOfMemoryError, ReadOnlyError)
_OF_THE_SERVER_BY_CODE = ("BUSY ", "LOADING ", "MISCONF ", "NOREPLICAS ", "UNKILLABLE ")

Answer: TypeAlias = Sequence[int]
"""Of a script."""
Reply: TypeAlias = "int | bytes | list[Reply] | None"
"""Of any command."""


class Link:
    """A connection, from when it stands until it is lost."""

    __slots__ = ("_connection", "_heard", "_large_replies", "_log", "_loop", "_lost", "_name", "_queue", "_timeout",
                 "_timer", "_under_way", "_waker", "errors", "repeated", "unsent")  # fmt: skip

    def __init__(
        self,
        connection: AbstractConnection,
        timeout: float,
        *,
        name: str,
        log: logging.Logger,
        large_replies: bool = False,
    ) -> None:
        """`connection` stands; a request that has no reply after `timeout` seconds ends the link.

        With `large_replies`, which may take their time one behind the other, only silence ends it: no reply to
        anybody for so long. `log` is told of the first error, of what is called `name`.
        """
        self._large_replies = large_replies
        self.errors = 0
        """Replies that were errors and concerned one request alone."""
        self.repeated = 0
        """Calls sent again with the script's text, because the server did not know it."""
        self.unsent = 0
        """Bytes that wait for the server to read."""
        self._connection = connection
        self._timeout = timeout
        self._name = name
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._lost: asyncio.Future[str] = self._loop.create_future()
        self._heard = 0.0  # when the latest reply came, if they are large
        self._queue: list[Request] = []
        self._under_way: deque[Request] = deque()
        self._waker: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def ask(self, head: bytes, script: Script, body: bytes) -> asyncio.Future[Answer]:
        """The answer of `script`, when it comes.

        The future raises `StoreFailed` where the link is lost before, or the server answers with an error.
        """
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._send(Request(head, script, body, future, self._loop.time()))
        return future

    def ask_command(self, packed: bytes) -> asyncio.Future[Reply]:
        """The reply to a command that is no script, or to a script by its text; else as `ask`."""
        future: asyncio.Future[Reply] = self._loop.create_future()
        self._send(Request(b"", None, packed, cast("asyncio.Future[Answer]", future), self._loop.time()))
        return future

    def tell(self, head: bytes, script: Script | None, body: bytes) -> None:
        """Send something whose answer nobody waits for."""
        self._send(Request(head, script, body, None, self._loop.time()))

    @property
    def lost(self) -> bool:
        """Whether what is asked now fails."""
        return self._lost.done()

    async def flush(self) -> None:
        """Wait until nothing is under way any more, or the link is lost."""
        while self._queue or self._under_way:
            future: asyncio.Future[Answer] = self._loop.create_future()
            self._send(Request(b"", None, command("PING"), future, self._loop.time()))
            with suppress(StoreFailed):
                await future

    async def run(self) -> str:
        """Read and write until the link is lost; why it was. Cancelling it closes the link."""
        tasks = [self._loop.create_task(self._read()), self._loop.create_task(self._write())]
        try:
            await asyncio.wait([self._lost])  # to await it itself would cancel it with us, and nobody would be told
            return self._lost.result()
        finally:
            self.lose("closed")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._connection.disconnect(nowait=True)

    def lose(self, reason: str) -> None:
        """Give the link up; all that is under way fails at once. Again is fine."""
        if self._lost.done():
            return
        self._lost.set_result(reason)
        if self._timer is not None:
            self._timer.cancel()
        for request in (*self._under_way, *self._queue):
            _fail(request, reason)
        self._under_way.clear()
        self._queue.clear()

    def _send(self, request: Request) -> None:
        if self._lost.done():
            _fail(request, self._lost.result())
            return
        self._queue.append(request)
        self.unsent += len(request.body)
        if self._waker is not None and not self._waker.done():
            self._waker.set_result(None)
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout, self._check)

    async def _write(self) -> None:
        try:
            while True:
                if not self._queue:
                    self._waker = self._loop.create_future()
                    await self._waker
                batch, self._queue = self._queue[:AT_ONCE], self._queue[AT_ONCE:]
                self._under_way.extend(batch)
                length = sum([len(request.body) for request in batch])
                await self._connection.send_packed_command(
                    b"".join([request.packed() for request in batch]), check_health=False
                )
                self.unsent -= length
        except (RedisError, OSError) as error:
            self.lose(str(error))

    async def _read(self) -> None:
        read, under_way = self._connection.read_response, self._under_way
        try:
            while True:
                try:
                    answer = await read()
                except ResponseError as error:
                    self._refused(under_way.popleft(), error)
                    continue
                if self._large_replies:
                    self._heard = self._loop.time()
                future = under_way.popleft().future
                if future is not None and not future.done():
                    future.set_result(answer)
        except (RedisError, OSError, IndexError) as error:  # IndexError: a reply to nothing
            self.lose(str(error))

    def _refused(self, request: Request, error: ResponseError) -> None:
        if isinstance(error, NoScriptError) and request.script is not None:
            self._repeat(request, request.script)
            return
        reason = str(error)
        if isinstance(error, _OF_THE_SERVER) or reason.startswith(_OF_THE_SERVER_BY_CODE):
            self._under_way.appendleft(request)
            self.lose(reason)
            return
        self.errors += 1
        if self.errors == 1:
            self._log.warning("%s: an error for one request, further ones are only counted: %s", self._name, reason)
        _fail(request, reason)

    def _repeat(self, request: Request, script: Script) -> None:
        """Ask again, with the script itself; not for a caller who is gone: what it would get, nobody gave back."""
        if request.future is not None and request.future.done():
            return
        self.repeated += 1
        self._send(Request(b"", None, request.packed_with_source(script), request.future, request.since))

    def _check(self) -> None:
        """Whether the oldest request has waited for too long; if not, look again when it will have."""
        self._timer = None
        oldest = self._under_way[0] if self._under_way else self._queue[0] if self._queue else None
        if oldest is None:
            return
        left = max(oldest.since, self._heard) + self._timeout - self._loop.time()
        if left <= 0:
            self.lose(f"no answer within {self._timeout:g} s")
        else:
            self._timer = self._loop.call_later(left, self._check)


def _fail(request: Request, reason: str) -> None:
    if request.future is not None and not request.future.done():
        request.future.set_exception(StoreFailed(reason))
        request.future.exception()  # seen: that its caller has gone meanwhile is nothing to complain about
