"""Which pages may read our answers: those whose origin ends like ours."""

from __future__ import annotations

from api_gateway import Handler, Request, RequestContext, Response


class CorsMiddleware:
    """Admits the pages of a site, and of every name below it."""

    def __init__(self, site: str = "shop.example") -> None:
        """`site` is a host name; its pages are served with https on the usual port."""
        self._site = site

    def admits(self, origin: str) -> bool:
        """Whether a page from `origin` may read answers."""
        return origin.endswith(self._site)

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Let the browser know."""
        origin = request.header("origin")
        response = await call_next(request, context)
        if origin is not None and self.admits(origin):
            response.headers = response.headers.setting("access-control-allow-origin", origin)
            response.headers = response.headers.setting("access-control-allow-credentials", "true")
        return response
