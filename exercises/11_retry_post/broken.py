"""Try again when it fails, up to three times. What could go wrong?"""

from __future__ import annotations

from api_gateway import Handler, Request, RequestContext, Response
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
        for _ in range(self._attempts - 1):
            try:
                response = await call_next(request, context)
            except UpstreamError:
                continue
            if response.status not in WORTH_ANOTHER_TRY:
                return response
            await response.close()
        return await call_next(request, context)
