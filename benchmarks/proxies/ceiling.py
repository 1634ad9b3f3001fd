"""The ceiling: the server answers `{}` by itself. No proxy under this server can be faster."""

from __future__ import annotations

from benchmarks.proxies.asgi import Application, Receive, Scope, Send


def application(_upstream: str) -> Application:
    """An application without an upstream."""

    async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})

    return answer
