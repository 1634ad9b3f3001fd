"""Three retries for each request, as many defaults have it."""

from __future__ import annotations

from api_gateway import Handler, Request, RequestContext, Response
from api_gateway.core.upstream_errors import UpstreamError


class RetryMiddleware:
    """Repeats what failed. One object for all requests to a service; all of them are safe to repeat here."""

    def __init__(self, attempts: int = 4) -> None:
        self._attempts = attempts

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Ask until there is an answer, or no try is left.

        Raises:
            UpstreamError: the last try's.
        """
        tries = 0
        while True:
            tries += 1
            try:
                return await call_next(request, context)
            except UpstreamError:
                if tries >= self._attempts:
                    raise
