"""The fix: a retry budget. Every request earns a fifth of a retry, every retry spends a whole one.

Why: r retries for each request multiply the load by 1 + r just when everything fails, through L layers by (1 + r)**L.
If the service is used to more than 1 / (1 + r) of its capacity, the retries alone keep it full: the trigger can go, the
outage stays. A budget is a share of the *requests*, so the load is at most 1.2 times what clients send, whatever fails.
A single failure finds the budget full; a crowd of failures empties it, and all the rest fail fast.

What it costs: in a real outage four of five failures are passed on without another try; to whom, is chance. The cap
decides how many retries may be saved up for a bad moment: this one allows a burst of ten, and lets a quiet service
retry at all. The package counts over a sliding window instead, whose bound is easier to state. A bounded queue in the
service, which refuses what it cannot do in time, ends the same state even without a budget: have both.
"""

from __future__ import annotations

from api_gateway import Handler, Request, RequestContext, Response
from api_gateway.core.upstream_errors import UpstreamError

SHARE = 0.2
MOST = 10.0


class RetryMiddleware:
    """Repeats what failed. One object for all requests to a service; all of them are safe to repeat here."""

    def __init__(self, attempts: int = 4) -> None:
        self._attempts = attempts
        self._budget = MOST

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Ask until there is an answer, or no try is left.

        Raises:
            UpstreamError: the last try's.
        """
        self._budget = min(MOST, self._budget + SHARE)
        tries = 0
        while True:
            tries += 1
            try:
                return await call_next(request, context)
            except UpstreamError:
                if tries >= self._attempts or self._budget < 1:
                    raise
                self._budget -= 1
