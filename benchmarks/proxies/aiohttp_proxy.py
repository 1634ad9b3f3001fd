"""A bare streaming proxy on aiohttp's client: what one writes in an afternoon."""

from __future__ import annotations

import aiohttp
from yarl import URL

from benchmarks.proxies.asgi import Application, Receive, Scope, Send, end_to_end, has_body, target, upload


def application(upstream: str) -> Application:
    """An application that passes everything on to `upstream`."""
    sessions: list[aiohttp.ClientSession] = []

    async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
        if not sessions:  # a session belongs to a running event loop
            sessions.append(_session())
        async with sessions[0].request(
            scope["method"],
            URL(upstream + target(scope), encoded=True),
            headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in end_to_end(scope["headers"])],
            data=upload(receive) if has_body(scope) else None,
            allow_redirects=False,
        ) as answer:
            headers = end_to_end(answer.raw_headers)
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            async for chunk in answer.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

    return proxy


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("accept", "accept-encoding", "user-agent"),
        timeout=aiohttp.ClientTimeout(total=30),
    )
