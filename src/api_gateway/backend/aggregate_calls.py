"""Aggregate calls: the requests that one aggregate makes for one client.

Rule: equal requests, of one service and one path, are made once and shared by whoever needs them. No more than
`max_parallel` run at a time; the others wait their turn, in order. A request for which nobody waits any more is
cancelled. When the aggregate is done, everything has ended: `close` waits for it, however often it is interrupted.

Each call has a fork of the client's context, with the earliest moment at which somebody stops waiting for it as its
deadline; so a call cut off by a part's timeout counts as late to the service's breaker, and not as unwanted.

Cost: a task and a context for each call.

What it does not do: retry, or choose endpoints; each call goes through everything that stands around its service.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from typing import NamedTuple, cast

from api_gateway.backend.aggregate_failure import PartFailed, answered_with, failed_with, unusable
from api_gateway.backend.aggregate_json import read_json
from api_gateway.core.clock import Clock
from api_gateway.core.errors import GatewayError
from api_gateway.core.headers import Headers
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response

_log = logging.getLogger("api_gateway.errors")


class Wanted(NamedTuple):
    """One request that a part wants to have made."""

    service: str
    handler: Handler
    path: str
    query: str


class Answer(NamedTuple):
    """What a service said, read."""

    value: object
    """Its JSON. Shared by all who asked: not to be changed."""
    size: int
    """Bytes of it."""
    headers: Headers


class Call:
    """One request that is being made, and who waits for it."""

    __slots__ = ("context", "task", "waiters")

    task: asyncio.Task[Answer]
    """Fails with `PartFailed`."""

    def __init__(self, context: RequestContext) -> None:
        self.context = context
        self.waiters = 0


class Calls:
    """The requests of one aggregate for one client."""

    __slots__ = ("_all", "_clock", "_context", "_headers", "_known", "_max_body", "_places", "_running", "_since")

    def __init__(
        self, headers: Headers, context: RequestContext, clock: Clock, *, max_parallel: int, max_body: int
    ) -> None:
        """`headers` go with each request; `context` is told of attempts and time; at most `max_body` bytes are read."""
        self._headers = headers
        self._context = context
        self._clock = clock
        self._max_body = max_body
        self._places = asyncio.Semaphore(max_parallel)
        self._known: dict[tuple[str, str, str], Call] = {}
        self._all: set[asyncio.Task[Answer]] = set()
        self._running = 0
        self._since = 0

    async def ask(self, wanted: Sequence[Wanted], deadline: int | None, *, all_needed: bool) -> list[Call]:
        """Make these requests, unless they are being made. All have ended then, or one has failed that is needed.

        `deadline` is when the caller stops waiting, in monotonic nanoseconds.
        """
        calls = [self._join(each, deadline) for each in wanted]
        try:
            if calls:
                until = asyncio.FIRST_EXCEPTION if all_needed else asyncio.ALL_COMPLETED
                await asyncio.wait({call.task for call in calls}, return_when=until)
        finally:
            for call in calls:
                self._leave(call)
        return calls

    async def close(self) -> None:
        """End what still runs, and wait until it has ended."""
        running = [*self._all]
        for task in running:
            if not task.cancelling():  # a second time would cut short what it does to end well
                task.cancel()
        await ended(running)

    def _join(self, wanted: Wanted, deadline: int | None) -> Call:
        key = (wanted.service, wanted.path, wanted.query)
        call = self._known.get(key)
        if call is None or call.task.cancelling():
            call = self._known[key] = Call(_fork(self._context, deadline))
            call.task = asyncio.create_task(self._make(wanted, call.context), name=f"part of {wanted.service}")
            self._all.add(call.task)
            call.task.add_done_callback(self._over)
        elif call.context.deadline is not None:
            call.context.deadline = None if deadline is None else max(deadline, call.context.deadline)
        call.waiters += 1
        return call

    def _leave(self, call: Call) -> None:
        call.waiters -= 1
        if not call.waiters and not call.task.done():
            call.task.cancel()

    def _over(self, task: asyncio.Task[Answer]) -> None:
        self._all.discard(task)
        if not task.cancelled():
            task.exception()  # has been looked at, if only by this: nobody may have stayed to see it

    async def _make(self, wanted: Wanted, context: RequestContext) -> Answer:
        async with self._places:
            if not self._running:
                self._since = self._clock.monotonic()
            self._running += 1
            try:
                return await self._answer(wanted, context)
            finally:
                self._running -= 1
                self._context.attempts += context.attempts
                if not self._running:  # time in which several were waited for counts once
                    self._context.upstream_duration += self._clock.monotonic() - self._since

    async def _answer(self, wanted: Wanted, context: RequestContext) -> Answer:
        request = Request.from_parts("GET", wanted.path, wanted.query, self._headers, b"")
        try:
            response = await wanted.handler(request, context)
            body = await _within(self._max_body, response)
        except GatewayError as error:
            raise PartFailed(failed_with(error, context)) from None
        except Exception as error:
            _log.error("defect in a call of an aggregate to %s", wanted.service, exc_info=error)
            raise PartFailed(failed_with(error, context)) from None
        if not 200 <= response.status < 300:
            raise PartFailed(answered_with(response, body, context))
        if body is None:
            raise PartFailed(unusable(f"the answer has more than {self._max_body} bytes", context))
        if response.header("content-encoding") not in (None, "identity"):
            raise PartFailed(unusable("the answer is encoded although none was accepted", context))
        if not body and response.status in (204, 205):
            return Answer(None, 0, response.headers)
        try:
            return Answer(read_json(body), len(body), response.headers)
        except ValueError as error:
            raise PartFailed(unusable(f"the answer is not JSON: {error}", context)) from None


def _fork(context: RequestContext, deadline: int | None) -> RequestContext:
    """The context for one call: what others have tried, for other parts, is not for it."""
    fork = context.fork()
    fork.deadline = deadline
    fork.attempts = fork.upstream_duration = 0
    fork.tried = ()
    fork.service = fork.endpoint = ""
    return fork


async def ended(tasks: Collection[asyncio.Task[object]]) -> None:
    """Wait for tasks that have been cancelled; being cancelled meanwhile comes true afterwards."""
    interrupted: asyncio.CancelledError | None = None
    while running := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(running)
        except asyncio.CancelledError as error:
            interrupted = error
    for task in tasks:
        if not task.cancelled():
            task.exception()  # has been looked at: whoever cancels it does not care
    if interrupted is not None:
        raise interrupted


async def _within(limit: int, response: Response) -> bytes | None:
    """The whole body, or None if it is longer than `limit`; no more is held than that. Closes the response."""
    if isinstance(response.body, bytes):
        body = await response.read()
        return body if len(body) <= limit else None
    chunks: list[bytes] = []
    size = 0
    async with aclosing(cast(AsyncGenerator[bytes, None], response.stream())) as stream:
        async for chunk in stream:
            size += len(chunk)
            if size > limit:
                return None
            chunks.append(chunk)
    return b"".join(chunks)
