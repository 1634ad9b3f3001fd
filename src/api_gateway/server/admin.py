"""Admin: what the gateway says about itself, on a port of its own.

    /          a page for a person            /routes     the routing table
    /health    200 while the process lives    /services   endpoints and their counts
    /ready     200, or 503 while it starts    /metrics    Prometheus text
               or drains                      /cache/purge  POST: what caches shall forget

Rule: a port of its own, because these pages are for operators, not for clients: no route of the
configuration can shadow them or expose them. They only read, but for `POST /cache/purge` (`cache_admin.py`).

`/health` asks "restart me?", `/ready` asks "send me traffic?". A draining gateway is alive and not
ready; whoever confuses the two restarts a process in the middle of its last requests.

What it does not do: authenticate. Listen on a private address.
"""

from __future__ import annotations

from dataclasses import asdict

from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from api_gateway.server.admin_page import CONTENT_SECURITY_POLICY, render_page
from api_gateway.server.cache_admin import Purger, purge_route
from api_gateway.server.status import Status

_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


def admin_app(status: Status, purger: Purger) -> Starlette:
    """The admin pages over `status`; caches forget through `purger`."""
    pages = _Pages(status)
    application = Starlette(
        routes=[
            Route("/", pages.page),
            Route("/health", pages.health),
            Route("/ready", pages.ready),
            Route("/routes", pages.routes),
            Route("/services", pages.services),
            Route("/metrics", pages.metrics),
            purge_route(purger),
        ]
    )
    application.router.redirect_slashes = False
    return application


class _Pages:
    def __init__(self, status: Status) -> None:
        self._status = status

    async def page(self, request: Request) -> Response:
        status = self._status
        text = render_page(await status.phase(), await status.routes(), await status.services())
        return HTMLResponse(text, headers={**_HEADERS, "content-security-policy": CONTENT_SECURITY_POLICY})

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"}, headers=_HEADERS)

    async def ready(self, request: Request) -> Response:
        phase = await self._status.phase()
        return JSONResponse({"status": phase}, 200 if phase == "ready" else 503, _HEADERS)

    async def routes(self, request: Request) -> Response:
        return JSONResponse({"routes": [asdict(route) for route in await self._status.routes()]}, headers=_HEADERS)

    async def services(self, request: Request) -> Response:
        return JSONResponse(asdict(await self._status.services()), headers=_HEADERS)

    async def metrics(self, request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(await self._status.metrics()), headers={**_HEADERS, "content-type": content_type})
