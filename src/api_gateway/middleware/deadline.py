"""Deadline: one instant after which nobody waits for the answer any more.

Rule: the deadline is set once, at the edge, as an absolute time; everything inside (queueing,
retries, the body) shares what is left of it. Passing it inside the head is a 504; passing it in
the body cuts the response. A deadline set further out is never extended by one further in.

Why absolute: with a timeout for each step, three retries of 3 s make a client wait 9 s for an
answer it gave up on after 3.

Cost: one timer a request. What it does not do: tell the service what is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator

from api_gateway.core.clock import NANOSECONDS, Clock, SystemClock
from api_gateway.core.errors import DeadlineExceeded
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response


class DeadlineMiddleware:
    """Bounds the whole time of a request."""

    __slots__ = ("_clock", "_limit", "_seconds")

    def __init__(self, seconds: float, clock: Clock | None = None) -> None:
        """`seconds` is the whole time, from when the gateway took the request."""
        if seconds <= 0:
            raise ValueError(f"a deadline must be positive, not {seconds}")
        self._seconds = seconds
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
        try:
            async with asyncio.timeout(self._left(deadline)) as timeout:
                response = await call_next(request, context)
        except TimeoutError:
            if timeout.expired():
                raise DeadlineExceeded(f"no answer within {self._seconds:g} s") from None
            raise
        if not isinstance(response.body, bytes):
            response.body = _BoundedBody(response.body, self, deadline)
        return response

    def _left(self, deadline: int) -> float:
        return (deadline - self._clock.monotonic()) / NANOSECONDS


class _BoundedBody:
    """A body whose chunks must come before the deadline."""

    __slots__ = ("_chunks", "_deadline", "_middleware")

    def __init__(self, body: AsyncIterable[bytes], middleware: DeadlineMiddleware, deadline: int) -> None:
        self._chunks = aiter(body)
        self._middleware = middleware
        self._deadline = deadline

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            async with asyncio.timeout(self._middleware._left(self._deadline)) as timeout:
                return await anext(self._chunks)
        except TimeoutError:
            if timeout.expired():
                raise DeadlineExceeded("the response body did not end in time") from None
            raise

    async def aclose(self) -> None:
        close = getattr(self._chunks, "aclose", None)
        if close is not None:
            await close()
