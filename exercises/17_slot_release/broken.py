"""So many at once, and no more: a bulkhead."""

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
            return await call_next(request, context)
        finally:
            self.in_flight -= 1
