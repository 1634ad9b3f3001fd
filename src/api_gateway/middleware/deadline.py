"""Deadline: one instant after which nobody waits for the answer any more.

Rule: the deadline is set once, at the edge, as an absolute time; everything inside (queueing,
retries, the body) shares what is left of it. Passing it before the head is a 504; passing it in
the body cuts the response. The earlier of two deadlines holds.

Why absolute: with a timeout for each step, three retries of 3 s make a client wait 9 s for an
answer it gave up on after 3.

Cost: one timer, set and cancelled, for the head, and one for each chunk of a streamed body.

What it does not do: tell the service what is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import TypeVar

from api_gateway.core.clock import NANOSECONDS, Clock, SystemClock
from api_gateway.core.errors import DeadlineExceeded
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response

_T = TypeVar("_T")


class DeadlineMiddleware:
    """Bounds the whole time of a request."""

    __slots__ = ("_clock", "_limit")

    def __init__(self, seconds: float, clock: Clock | None = None) -> None:
        """`seconds` is the whole time, from when the gateway took the request."""
        if seconds <= 0:
            raise ValueError(f"a deadline must be positive, not {seconds}")
        self._limit = round(seconds * NANOSECONDS)
        self._clock = clock or SystemClock()

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Answer in time.

        Raises:
            DeadlineExceeded: the head of the response did not come in time.
        """
        deadline = context.started + self._limit
        if context.deadline is not None and context.deadline <= deadline:
            return await call_next(request, context)
        context.deadline = deadline
        response = await _before(deadline, self._clock, call_next(request, context))
        if not isinstance(response.body, bytes):
            response.body = _BoundedBody(response.body, deadline, self._clock)
        return response


async def _before(deadline: int, clock: Clock, work: Awaitable[_T]) -> _T:
    """Await `work` until `deadline`. This is `asyncio.timeout` without its 5 us of bookkeeping."""
    task = asyncio.current_task()
    assert task is not None, "a Handler runs in a task"
    cancelled_before = task.cancelling()
    expiry = _Expiry(task)
    left = (deadline - clock.monotonic()) / NANOSECONDS
    timer = asyncio.get_running_loop().call_later(left, expiry)
    try:
        return await work
    except asyncio.CancelledError:
        # Only our own cancellation becomes an error; if the client has gone as well, that wins.
        if expiry.expired and task.cancelling() - 1 <= cancelled_before:
            raise DeadlineExceeded("no end of the answer in time") from None
        raise
    finally:
        timer.cancel()
        if expiry.expired:
            task.uncancel()  # however `work` ended: the task outlives this call


class _Expiry:
    __slots__ = ("_task", "expired")

    def __init__(self, task: asyncio.Task[object]) -> None:
        self._task = task
        self.expired = False

    def __call__(self) -> None:
        self.expired = True
        self._task.cancel()


class _BoundedBody:
    """A body whose chunks must come before the deadline."""

    __slots__ = ("_chunks", "_clock", "_deadline")

    def __init__(self, body: AsyncIterable[bytes], deadline: int, clock: Clock) -> None:
        self._chunks = aiter(body)
        self._deadline = deadline
        self._clock = clock

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        return await _before(self._deadline, self._clock, anext(self._chunks))

    async def aclose(self) -> None:
        close = getattr(self._chunks, "aclose", None)
        if close is not None:
            await close()
