"""A timeout for each try, and three tries."""

from __future__ import annotations

import asyncio

from api_gateway import Handler, Request, RequestContext, Response
from api_gateway.core.clock import Clock
from api_gateway.core.errors import DeadlineExceeded
from api_gateway.core.upstream_errors import UpstreamError


class Patience:
    """Tries a few times. Requests are safe to repeat here."""

    def __init__(self, clock: Clock, seconds: float = 3.0, attempts: int = 3) -> None:
        """`seconds` is how long the client waits, from `context.started` on; `clock` tells the same time."""
        self._clock = clock
        self._seconds = seconds
        self._attempts = attempts

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Ask until there is an answer.

        Raises:
            UpstreamError: every try failed, and this is the last one's error.
            DeadlineExceeded: there was no answer in time.
        """
        failure: UpstreamError | None = None
        for _ in range(self._attempts):
            try:
                async with asyncio.timeout(self._seconds):
                    return await call_next(request, context)
            except TimeoutError:
                continue
            except UpstreamError as error:
                failure = error
        raise failure or DeadlineExceeded("no try was answered")
