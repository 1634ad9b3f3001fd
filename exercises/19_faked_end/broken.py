"""Counts the bytes of bodies as they pass, for the bill."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

from api_gateway import Handler, Request, RequestContext, Response
from api_gateway.core.upstream_errors import UpstreamError


class Metering:
    """A middleware; `counted` is how many bytes have passed."""

    def __init__(self) -> None:
        self.counted = 0

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Pass the request on, and the answer back, counted."""
        response = await call_next(request, context)
        return Response(response.status, response.headers, self._count(response))

    async def _count(self, response: Response) -> AsyncIterator[bytes]:
        try:
            async for chunk in response.stream():
                self.counted += len(chunk)
                yield chunk
        except UpstreamError as error:
            logging.getLogger("metering").info("the body broke off: %s", error)
