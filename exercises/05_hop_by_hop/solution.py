"""The fix: first take away everything that is not for the service, then add what the gateway says.

Why: fields named by `Connection` go in both directions (RFC 9110 7.6.1), but they are the *client's* fields. Removed
last, the client chooses which of the gateway's own statements reach the service. So the order is: strip hop by hop,
strip the names that only the gateway may use (a caller nobody has identified must not bring them either), then write.

What it costs: one more pass over ten fields. What to keep in mind: `Connection` must not be able to remove `Host` or
the framing either, which would change where the message goes or where it ends; the package has a list of such names.
And an `Upgrade` that a route does allow needs code of its own, because it is hop by hop by definition.
"""

from __future__ import annotations

from api_gateway import Handler, Headers, Request, RequestContext, Response

HOP_BY_HOP = ("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
              "transfer-encoding", "upgrade")  # fmt: skip
"""RFC 9110 7.6.1, RFC 2616 13.5.1."""


class Forwarder:
    """A middleware; the service is behind it."""

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Pass the request on, and the answer back."""
        headers = _end_to_end(request.headers).without("x-user-id")
        if context.identity is not None:
            headers = headers.setting("x-user-id", context.identity.subject)
        response = await call_next(request.with_headers(headers), context)
        response.headers = _end_to_end(response.headers)
        return response


def _end_to_end(headers: Headers) -> Headers:
    named = [name for name in headers.tokens("connection") if name.lower() != "host"]
    return headers.without(*HOP_BY_HOP, *named)
