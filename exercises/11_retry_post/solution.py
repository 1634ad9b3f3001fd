"""The fix: repeat if nothing was sent, or if the method is idempotent; and only while there is a body to send.

Why: after a broken connection nobody knows whether the service did the work. So a request may be repeated if doing it
twice is doing it once (RFC 9110 9.2.2), or if it certainly did not arrive: a refused connection is safe for a POST,
too. An answered 503 to a POST says nothing about what was done before it was written. A streamed body is gone once
somebody has begun to read it; sent again it would be empty, which is worse than an error.

What it costs: errors that a bolder gateway would hide. The way out is the client's: an `Idempotency-Key` makes a POST
repeatable, if the service keeps the keys that it has seen, and the gateway cannot know whether it does. Buffering the
body makes uploads repeatable, for their size in memory. And every retry is more load: see exercise 12.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from api_gateway import Handler, Request, RequestContext, Response
from api_gateway.core.request import IDEMPOTENT_METHODS
from api_gateway.core.upstream_errors import UpstreamError

WORTH_ANOTHER_TRY = frozenset({502, 503, 504})


class RetryMiddleware:
    """Repeats what failed, at once: waiting is another exercise."""

    def __init__(self, attempts: int = 3) -> None:
        self._attempts = attempts

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Ask until there is an answer, or no try is left.

        Raises:
            UpstreamError: the last try's. Its `sent` says whether anything of the request may have arrived.
        """
        touched = False

        async def watched() -> AsyncIterator[bytes]:
            nonlocal touched
            touched = True
            async for chunk in request.stream():
                yield chunk

        idempotent = request.method in IDEMPOTENT_METHODS
        streamed = not isinstance(request.body, bytes)
        for _ in range(self._attempts - 1):
            try:
                response = await call_next(request.with_body(watched()) if streamed else request, context)
            except UpstreamError as error:
                if touched or (error.sent and not idempotent):
                    raise
                continue
            if response.status not in WORTH_ANOTHER_TRY or touched or not idempotent:
                return response
            await response.close()
        return await call_next(request, context)
