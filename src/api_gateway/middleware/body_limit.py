"""Body limit: no upload larger than this.

Rule: a `Content-Length` over the limit is refused before a byte of the body is read. Every body is
counted as it streams as well, since not every server holds a client to the length it announced,
and is refused at the first byte too many, which also ends the half-sent request to the service.
Nothing is buffered.

What it does not do: limit responses, or decompressed size.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable

from api_gateway.core.errors import BadRequest, PayloadTooLarge
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.xray.facts import Facts

_MOST_DIGITS = 19  # of a 63-bit length; int() itself refuses thousands of digits


class BodyLimitMiddleware:
    """Refuses request bodies over `limit` bytes."""

    __slots__ = ("_limit",)

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Awaitable[Response]:
        """Raises PayloadTooLarge where the body is, or turns out to be, over the limit."""
        body = request.body
        if isinstance(body, bytes):
            if len(body) > self._limit:
                raise self._refusal()
            return call_next(request, context)
        length = request.header("content-length")
        if length is not None:
            if not length.isdecimal():
                raise BadRequest("Content-Length is not a number.")
            if len(length) > _MOST_DIGITS or int(length) > self._limit:
                raise self._refusal()
        return call_next(request.with_body(self._counted(body)), context)

    async def state_for(self, request: Request, context: RequestContext) -> Facts:
        """The limit, and the length as far as it is known before the body is read."""
        body = request.body
        known = str(len(body)) if isinstance(body, bytes) else request.header("content-length")
        return {"limit": self._limit, "length": known}

    async def _counted(self, body: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        left = self._limit
        async for chunk in body:
            left -= len(chunk)
            if left < 0:
                raise self._refusal()
            yield chunk

    def _refusal(self) -> PayloadTooLarge:
        return PayloadTooLarge(f"The request body is larger than {self._limit} bytes.")
