"""A cache before a service, keyed as tutorials do it: by method, path and query."""

from __future__ import annotations

from api_gateway import Handler, Request, RequestContext, Response


class CacheMiddleware:
    """Answers what was asked before. In this exercise everything stays fresh."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, ...], tuple[Response, bytes]] = {}

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Answer from what is kept, or ask and keep."""
        if request.method != "GET":
            return await call_next(request, context)
        key = (request.method, request.path, request.query)
        kept = self._kept.get(key)
        if kept is None:
            response = await call_next(request, context)
            body = await response.read()
            if response.status != 200:
                return Response(response.status, response.headers, body)
            kept = self._kept[key] = (response, body)
        response, body = kept
        return Response(response.status, response.headers, body)
