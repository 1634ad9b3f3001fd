"""Deadline: one instant after which nobody waits for the answer any more.

Rule: the deadline is set once, at the edge, as an absolute time; everything inside (queueing,
retries, the body) shares what is left of it. Passing it before the head is a 504; passing it in
the body cuts the response. The earlier of two deadlines holds.

Why absolute: with a timeout for each step, three retries of 3 s make a client wait 9 s for an
answer it gave up on after 3.

Cost: an entry in a queue (`expiry_queue.py`) for the head, and one for each chunk of a streamed body.

What it does not do: tell the service what is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from types import TracebackType

from api_gateway.core.clock import NANOSECONDS, Clock, SystemClock
from api_gateway.core.errors import DeadlineExceeded
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.xray.facts import Facts, duration
from api_gateway.middleware.expiry_queue import ExpiryQueue


class DeadlineMiddleware:
    """Bounds the whole time of a request."""

    __slots__ = ("_clock", "_limit", "_queue")

    def __init__(self, seconds: float, clock: Clock | None = None) -> None:
        """`seconds` is the whole time, from when the gateway took the request."""
        if seconds <= 0:
            raise ValueError(f"a deadline must be positive, not {seconds}")
        self._limit = round(seconds * NANOSECONDS)
        self._clock = clock or SystemClock()
        self._queue: ExpiryQueue | None = None

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Answer in time.

        Raises:
            DeadlineExceeded: the head of the response did not come in time.
        """
        deadline = context.started + self._limit
        if context.deadline is not None and context.deadline <= deadline:
            return await call_next(request, context)
        context.deadline = deadline
        queue, task = self._here()
        with Expiry(task, queue, deadline):
            response = await call_next(request, context)
        if not isinstance(response.body, bytes):
            response.body = _BoundedBody(response.body, deadline, queue)
        return response

    async def state_for(self, request: Request, context: RequestContext) -> Facts:
        """The limit, and what is left of the time until whichever deadline comes first."""
        deadline = context.started + self._limit
        if context.deadline is not None:
            deadline = min(deadline, context.deadline)
        return {"limit": duration(self._limit), "left": duration(deadline - self._clock.monotonic())}

    def _here(self) -> tuple[ExpiryQueue, asyncio.Task[object]]:
        """The task that runs, and the queue of its event loop."""
        # Whoever names the loop spares asyncio a system call to find it.
        task = asyncio.current_task(self._queue.loop) if self._queue is not None else None
        if self._queue is None or task is None:
            task = asyncio.current_task()
            assert task is not None, "a Handler runs in a task"
            self._queue = ExpiryQueue(task.get_loop(), self._clock)
        return self._queue, task


class Expiry:
    """The end of a task's time, for the block of a `with` statement: `asyncio.timeout`, in a third of its time."""

    __slots__ = ("_cancelled_before", "_queue", "_task", "expired")

    expired: bool
    """Whether the task was cancelled for it."""

    def __init__(self, task: asyncio.Task[object], queue: ExpiryQueue, deadline: int) -> None:
        self.expired = False
        self._task = task
        self._queue = queue
        self._cancelled_before = task.cancelling()
        queue.add(self, deadline)

    def expire(self) -> None:
        """The time has passed: cancel the task."""
        self.expired = True
        self._task.cancel()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """The block has ended, in time or not.

        Raises:
            DeadlineExceeded: it was the deadline that cancelled it, and nobody else has.
        """
        self._queue.discard(self)
        # However the block ended: the task outlives it, and must not stay cancelled.
        if self.expired and self._task.uncancel() <= self._cancelled_before and kind is asyncio.CancelledError:
            raise DeadlineExceeded("no end of the answer in time") from None


class _BoundedBody:
    """A body whose chunks must come before the deadline."""

    __slots__ = ("_chunks", "_deadline", "_queue")

    def __init__(self, body: AsyncIterable[bytes], deadline: int, queue: ExpiryQueue) -> None:
        self._chunks = aiter(body)
        self._deadline = deadline
        self._queue = queue

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        task = asyncio.current_task()
        assert task is not None, "a body is read in a task"
        with Expiry(task, self._queue, self._deadline):
            return await anext(self._chunks)

    async def aclose(self) -> None:
        close = getattr(self._chunks, "aclose", None)
        if close is not None:
            await close()
