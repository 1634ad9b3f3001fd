"""Transport: how one request reaches one endpoint.

Rule: one method is the whole seam. A transport gets an endpoint's base URL, a request and its
context, and returns when the response *head* is there; the body streams afterwards. It raises an
`UpstreamError` when there is no usable answer, saying whether the request may have been sent.
A cancelled call leaves nothing behind: no connection in use, no task.

What it does not do: choose the endpoint, count, retry, or break circuits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a transport waits, in seconds."""

    connect: float = 1.0
    """For a connection, name resolution and TLS handshake included."""
    request: float = 15.0
    """For the whole response head, from the end of the request on."""
    idle: float = 60.0
    """For any progress at all, while a body is under way in either direction."""


class Transport(Protocol):
    """Carries a request to an endpoint."""

    async def send(self, url: str, request: Request, context: RequestContext) -> Response:
        """Ask the endpoint whose base URL is `url`.

        Raises:
            UpstreamError: no usable answer.
        """
        ...

    async def close(self) -> None:
        """Close what is kept open between requests."""
        ...
