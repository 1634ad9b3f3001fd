"""Sending: one request through a gateway of this command's own, and its X-ray.

Rule: the request is sent as often as asked, and the last time is shown: the third of four finds the bucket as two
have left it. States begin fresh, as this is not the gateway that may be running elsewhere; the services are the real
ones, and are asked.

What it does not do: read bodies. An X-ray ends with the head of the answer.
"""

from __future__ import annotations

from api_gateway.core.api_gateway import ApiGateway
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.xray.xray import XRay

_ADDRESS = "127.0.0.1"


async def sent(gateway: ApiGateway, request: Request, times: int) -> XRay:
    """The X-ray of the last of so many sendings, one after the other; its response is closed."""
    async with gateway:
        for _ in range(times - 1):
            response = await gateway.handle(request, _context(gateway))
            await response.close()
        xray = await gateway.explain(request, _context(gateway))
        await xray.response.close()
        return xray


def _context(gateway: ApiGateway) -> RequestContext:
    return RequestContext(gateway.clock.monotonic(), _ADDRESS, http_version="1.1")
