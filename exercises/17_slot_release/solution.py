"""The fix: the response owns the place, and gives it back when it is closed.

Why: `call_next` returns when the head is there. `finally` runs then, and the body streams for as long as it likes, with
nobody counting. Whoever holds a response either sends it to its end or closes it, so its end is the one moment that
comes for certain, and comes once. Only without a response, after an error or a cancellation, is it up to us:
`BaseException`, because a client that leaves is a `CancelledError`, which `Exception` does not catch.

What it costs: a slow reader holds a place in the service, which is the truth, and a way to attack: so there is a limit
for bodies that stop moving. And a rule for everybody who ever drops a response: close it. The package tests that rule
wherever responses are discarded (retries, hedges, caches), because a place that leaks is gone until the next restart.
"""

from __future__ import annotations

from api_gateway import Handler, Request, RequestContext, Response
from api_gateway.core.errors import Overloaded


class Slots:
    """A middleware that lets `limit` requests through at once, and refuses the rest."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_flight = 0

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Pass it on, if there is a place.

        Raises:
            Overloaded: there is none.
        """
        if self.in_flight >= self.limit:
            raise Overloaded("no place is free")
        self.in_flight += 1
        try:
            response = await call_next(request, context)
        except BaseException:
            self.in_flight -= 1
            raise
        response.on_close(self._give_back)
        return response

    def _give_back(self) -> None:
        self.in_flight -= 1
