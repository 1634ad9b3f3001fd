"""The fix: one deadline for the whole request, and for each try a fair part of what is left of it.

Why: the client's patience is a moment in time. It began when the request came in, not when this line runs, and it does
not begin anew with a try. So the deadline is an absolute time in the context; whoever is inside may only make it
earlier, and passes on what is left. Dividing the rest among the tries that are left keeps one hanging instance from
using up everything: with one try's timeout as long as the deadline there would never be a second try.

What it costs: a slow answer, which would have come just in time, is cut off by the first try's share; whether that is a
gain depends on how latency is spread, and a hedged request, which leaves the first try running, is the dear way to have
both. And the service must be told, in a header, or it goes on working for nobody.
"""

from __future__ import annotations

import asyncio

from api_gateway import Handler, Request, RequestContext, Response
from api_gateway.core.clock import NANOSECONDS, Clock
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
        deadline = context.started + round(self._seconds * NANOSECONDS)
        if context.deadline is not None:
            deadline = min(deadline, context.deadline)
        context.deadline = deadline
        failure: UpstreamError | None = None
        for tries_left in range(self._attempts, 0, -1):
            left = deadline - self._clock.monotonic()
            if left <= 0:
                break
            try:
                async with asyncio.timeout(left / NANOSECONDS / tries_left):
                    return await call_next(request, context)
            except TimeoutError:
                continue
            except UpstreamError as error:
                failure = error
        raise failure or DeadlineExceeded("no try was answered")
