"""The fix: let errors pass, compare with the announced length, and close what was wrapped, read or not.

Why: once the head is out, cutting the connection is the only way to say that something went wrong. Whoever catches the
error in between makes a clean end of it, and half a file passes for a whole one. The same lie is a body that stops,
with no error at all, before its `Content-Length`. The wrapper is an object and not a generator, because a generator
which was never started does nothing when it is closed: the service's connection would stay open for a client that left
at once.

What it costs: clients see more broken downloads: they were broken before. `Content-Length` is not to be believed where
there is no body, as for HEAD and 304. And the response stays the same object, so whatever hangs on its closing (places,
timers, connections) stays where it is; a copy would have to carry all of that over.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from api_gateway import Handler, Request, RequestContext, Response
from api_gateway.core.request import Body
from api_gateway.core.upstream_errors import UpstreamReset


class Metering:
    """A middleware; `counted` is how many bytes have passed."""

    def __init__(self) -> None:
        self.counted = 0

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Pass the request on, and the answer back, counted."""
        response = await call_next(request, context)
        if request.method != "HEAD" and response.status not in (204, 304):
            response.body = _Counted(response.body, response.header("content-length"), self)
        return response


class _Counted:
    """A body that counts, and ends as the one that it wraps."""

    def __init__(self, body: Body, length: str | None, meter: Metering) -> None:
        self._body = body
        self._chunks = _in_one_piece(body) if isinstance(body, bytes) else aiter(body)
        self._missing = int(length) if length is not None else None
        self._meter = meter

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            if self._missing:
                raise UpstreamReset(f"the body ended {self._missing} bytes before its announced end") from None
            raise
        self._meter.counted += len(chunk)
        if self._missing is not None:
            self._missing -= len(chunk)
        return chunk

    async def aclose(self) -> None:
        """Close what was wrapped."""
        for part in (self._chunks, self._body):
            close = getattr(part, "aclose", None)
            if close is not None:
                await close()


async def _in_one_piece(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body
