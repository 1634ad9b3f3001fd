"""A bare streaming proxy on httpx2's client: what one writes in an afternoon."""

from __future__ import annotations

import httpx2 as httpx

from benchmarks.proxies.asgi import Application, Receive, Scope, Send, end_to_end, has_body, target, upload


def application(upstream: str) -> Application:
    """An application that passes everything on to `upstream`."""
    client = httpx.AsyncClient(limits=httpx.Limits(max_connections=None, max_keepalive_connections=None), timeout=30)

    async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
        request = client.build_request(
            scope["method"],
            upstream + target(scope),
            headers=end_to_end(scope["headers"]),
            content=upload(receive) if has_body(scope) else None,
        )
        answer = await client.send(request, stream=True)
        try:
            headers = end_to_end(answer.headers.raw)
            await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
            async for chunk in answer.aiter_raw():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            await answer.aclose()

    return proxy
