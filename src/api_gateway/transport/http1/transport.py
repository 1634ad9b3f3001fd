"""The http1 transport: a request over one of our own connections.

Rule: an idle connection if there is one, else a new one. A kept connection may have been closed by
the service at the very moment of sending; that one failure is repaired here by sending again,
once, on a *new* connection, if nothing came back and repeating is safe: the method is idempotent
and the body complete in memory (RFC 9112 section 9.3.1).

TLS upstreams are verified against the system's authorities, name included, unless told otherwise
(`transport/upstream_tls.py`).

What it does not do: retry an endpoint that failed. That is a policy, in `middleware/`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine

from api_gateway.core.errors import BadRequest
from api_gateway.core.headers import field_line, message_head
from api_gateway.core.request import IDEMPOTENT_METHODS, Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import ConnectFailed, ConnectTimeout, UpstreamReset
from api_gateway.transport.forwarding import REWRITTEN, VIA
from api_gateway.transport.http1.connection import Http1Connection
from api_gateway.transport.http1.pool import ConnectionPool
from api_gateway.transport.http1.request_body import send_chunked, send_counted
from api_gateway.transport.origin import Origin
from api_gateway.transport.transport import Timeouts
from api_gateway.transport.upstream_tls import UpstreamTls

_VIA_LINE = field_line(VIA)
_BODY_EXPECTED = frozenset({"POST", "PUT", "PATCH"})


class Http1Transport:
    """HTTP/1.1 with keep-alive, for any number of endpoints."""

    def __init__(self, timeouts: Timeouts | None = None, *, tls: ssl.SSLContext | UpstreamTls | None = None) -> None:
        """`tls` replaces the default context, for example to trust a private authority."""
        self._timeouts = timeouts or Timeouts()
        self._tls = tls
        self._endpoints: dict[str, tuple[Origin, ConnectionPool]] = {}

    async def send(self, url: str, request: Request, context: RequestContext) -> Response:
        """See `Transport.send`."""
        origin, pool = self._endpoints.get(url) or self._endpoint(url)
        host = context.upstream_host or origin.authority
        head, upload = _serialize(request, origin.base_path, host.encode("latin-1"))
        connection = pool.take()
        repeatable = connection is not None and upload is None and request.method in IDEMPOTENT_METHODS
        while True:
            if connection is None:
                connection = await self._connect(origin, pool)
            answer = connection.exchange(head, upload, request.method == "HEAD")
            try:
                return await answer
            except UpstreamReset:
                if not repeatable or connection.answered:
                    raise
                connection, repeatable = None, False
            except asyncio.CancelledError:
                await connection.abandon(answer)
                raise

    async def close(self) -> None:
        """Close all connections, those being made too; exchanges under way fail."""
        for _, pool in self._endpoints.values():
            pool.close()
        self._endpoints.clear()

    def pool(self, url: str) -> ConnectionPool:
        """The connections to the endpoint `url`, to look at."""
        return self._endpoint(url)[1]

    def _endpoint(self, url: str) -> tuple[Origin, ConnectionPool]:
        if url not in self._endpoints:
            self._endpoints[url] = (Origin.parse(url), ConnectionPool())
        return self._endpoints[url]

    async def _connect(self, origin: Origin, pool: ConnectionPool) -> Http1Connection:
        tls, name = self._tls_for(origin)
        try:
            async with asyncio.timeout(self._timeouts.connect):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Http1Connection(pool, self._timeouts),
                    origin.host,
                    origin.port,
                    ssl=tls,
                    server_hostname=name,
                )
        except TimeoutError:
            raise ConnectTimeout(f"{origin.authority}: no connection in {self._timeouts.connect:g} s") from None
        except ssl.SSLError as error:
            raise ConnectFailed(f"{origin.authority}: TLS: {error}") from None
        except socket.gaierror as error:
            raise ConnectFailed(f"{origin.authority}: the name cannot be resolved: {error}") from None
        except (OSError, UnicodeError) as error:  # UnicodeError: not a possible host name
            raise ConnectFailed(f"{origin.authority}: {error}") from None
        pool.adopt(connection)
        return connection

    def _tls_for(self, origin: Origin) -> tuple[ssl.SSLContext | None, str | None]:
        """The context for a new connection, and the name to verify."""
        if not origin.secure:
            return None, None
        if isinstance(self._tls, UpstreamTls):
            return self._tls.context(), self._tls.server_name or origin.host
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls, origin.host


Upload = Callable[[Http1Connection], Coroutine[None, None, None]]


def _serialize(request: Request, base_path: str, host: bytes) -> tuple[bytes, Upload | None]:
    """The bytes to send at once, and how to send the rest, if the body streams."""
    body = request.body
    if isinstance(body, bytes):
        if not body and request.method not in _BODY_EXPECTED:
            return _head(request, base_path, host), None
        return _head(request, base_path, host, b"content-length: %d" % len(body)) + body, None
    length = request.header("content-length")
    if length is None:
        return _head(request, base_path, host, b"transfer-encoding: chunked"), lambda to: send_chunked(body, to)
    if not (length.isascii() and length.isdigit()):
        raise BadRequest("The Content-Length is not a number.")
    size = int(length)
    return _head(request, base_path, host, b"content-length: %d" % size), lambda to: send_counted(body, size, to)


def _head(request: Request, base_path: str, host: bytes, *framing: bytes) -> bytes:
    request_line = f"{request.method} {base_path}{request.target} HTTP/1.1".encode("ascii")
    if request_line.count(b" ") != 2:
        raise ValueError("the request line holds a space too many")
    fields = [field_line(pair) for pair in request.headers.pairs if pair[0] not in REWRITTEN]
    return message_head([request_line, b"host: " + host, *fields, _VIA_LINE, *framing])
