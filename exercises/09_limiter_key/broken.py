"""Whom a request counts for: the API key that it brings, else where it comes from."""

from __future__ import annotations

from api_gateway import Request, RequestContext


def limiter_key(request: Request, context: RequestContext, remote: str) -> str:
    """The key under which a limiter counts this request.

    Args:
        request: as the client sent it.
        context: `context.identity` is who is calling, if authentication has proved it.
        remote: the other end of the connection, such as `203.0.113.9:50312` or `[2001:db8::7]:50312`.
    """
    api_key = request.header("x-api-key")
    if api_key:
        return api_key
    return remote
