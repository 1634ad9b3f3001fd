"""ImpatientTransport: waits so long for each answer, and no longer. The timeout of a try, in the laboratory.

Rule: what has no head after `seconds` is an `UpstreamTimeout`, as from the transports on sockets. The service is
not told: it goes on with what nobody waits for any more, and that is half of what keeps an outage going.

What it does not do: bound the whole of a request; each try has its own time.
"""

from __future__ import annotations

import asyncio

from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import UpstreamTimeout
from api_gateway.transport.transport import Transport


class ImpatientTransport:
    """A transport with a time for the head of each answer."""

    __slots__ = ("_seconds", "_transport")

    def __init__(self, transport: Transport, seconds: float) -> None:
        """Ask by `transport`.

        Raises:
            ValueError: the time is not positive.
        """
        if seconds <= 0:
            raise ValueError(f"a timeout must be positive, not {seconds}")
        self._transport = transport
        self._seconds = seconds

    async def send(self, url: str, request: Request, context: RequestContext) -> Response:
        """See `Transport.send`."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._transport.send(url, request, context)
        except TimeoutError:
            raise UpstreamTimeout(f"{url}: no answer within {self._seconds:g} s") from None

    async def close(self) -> None:
        """See `Transport.close`."""
        await self._transport.close()
