"""What a cache is measured with: an answer that may be kept for an hour, given by the server itself.

It stands behind every cache, and beside them as the ceiling: no cache under this server can answer faster.
"""

from __future__ import annotations

from email.utils import formatdate

from benchmarks.origin import BODY
from benchmarks.proxies.asgi import Application, Receive, Scope, Send


def application(_upstream: str) -> Application:
    """An application without an upstream."""
    headers = [
        (b"server", b"origin"),
        (b"date", formatdate(usegmt=True).encode()),
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(BODY)),
        (b"cache-control", b"public, max-age=3600"),
        (b"etag", b'"5f2a81c0"'),
    ]

    async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": BODY})

    return answer
