"""The fix: match the whole origin, label by label, and say `Vary: Origin` on every answer.

Why: an origin is a triple of scheme, host and port, compared exactly. `endswith` looks at none of the three borders:
`evil-shop.example` is another name, `http://shop.example` can be forged by whoever runs the network, and the port may
belong to another program. A leading dot in the suffix mends the first only. The answer depends on `Origin` also where
nothing is admitted, so the `Vary` goes on all answers, or a cache keeps the one without permission for everybody.

What it costs: `Vary: Origin` gives shared caches a variant for each origin; public data is better off with
`Access-Control-Allow-Origin: *` and no credentials. And "every name below" trusts whoever runs the oldest forgotten
host there: a list of exact origins is shorter to defend.
"""

from __future__ import annotations

import re

from api_gateway import Handler, Request, RequestContext, Response


class CorsMiddleware:
    """Admits the pages of a site, and of every name below it."""

    def __init__(self, site: str = "shop.example") -> None:
        """`site` is a host name; its pages are served with https on the usual port."""
        self._origin = re.compile(r"https://(?:[a-z0-9_\-]+\.)*" + re.escape(site))

    def admits(self, origin: str) -> bool:
        """Whether a page from `origin` may read answers."""
        return self._origin.fullmatch(origin) is not None

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Let the browser know."""
        origin = request.header("origin")
        response = await call_next(request, context)
        response.headers = response.headers.adding("vary", "Origin")
        if origin is not None and self.admits(origin):
            response.headers = response.headers.setting("access-control-allow-origin", origin)
            response.headers = response.headers.setting("access-control-allow-credentials", "true")
        return response
