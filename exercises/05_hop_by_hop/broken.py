"""The last step before the service: who is calling is added, what belongs to one connection is removed."""

from __future__ import annotations

from api_gateway import Handler, Request, RequestContext, Response

HOP_BY_HOP = ("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
              "transfer-encoding", "upgrade")  # fmt: skip
"""RFC 9110 7.6.1, RFC 2616 13.5.1."""


class Forwarder:
    """A middleware; the service is behind it."""

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Pass the request on, and the answer back."""
        headers = request.headers
        if context.identity is not None:
            headers = headers.setting("x-user-id", context.identity.subject)
        named = request.headers.tokens("connection")
        response = await call_next(request.with_headers(headers.without(*HOP_BY_HOP, *named)), context)
        response.headers = response.headers.without(*HOP_BY_HOP)
        return response
