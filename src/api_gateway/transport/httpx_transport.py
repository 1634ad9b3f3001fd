"""The httpx transport: the same seam by httpx2, on one screen.

For upstreams that speak HTTP/2, and for reading side by side with `http1/`: everything a data plane
must care about is here in somebody else's hands, at roughly a tenth of the throughput.

It works at httpx2's *transport* level, below its client, because the client keeps cookies (one
user's would go out with the next user's request), adds headers, follows redirects and decodes
bodies. Raw bytes go through; the path goes out exactly as it was matched (`target`), because
httpx2 would normalise it once more.

Two pools, because httpx2 2.16 parses bytes beyond the end of an HTTP/1.1 answer as the answer to the
next request on that connection. HTTP/1.1 connections are therefore used once. A service that has
shown HTTP/2, where every byte names its request, gets the pool that keeps connections and speaks
nothing else.

What it does not do: keep HTTP/1.1 connections (`http1` does), or limit the whole time of a dripping
response head of an upload; httpx2's read timeout counts from byte to byte.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator

import httpx2 as httpx

from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import (
    ConnectFailed,
    ConnectTimeout,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamReset,
    UpstreamTimeout,
)
from api_gateway.transport.forwarding import downstream_headers, upstream_headers
from api_gateway.transport.origin import Origin
from api_gateway.transport.transport import Timeouts
from api_gateway.transport.upstream_tls import UpstreamTls


class HttpxTransport:
    """HTTP/1.1, or HTTP/2 where the service offers it over TLS."""

    def __init__(self, timeouts: Timeouts | None = None, *, tls: ssl.SSLContext | UpstreamTls | None = None) -> None:
        """`tls` replaces the default context, which verifies against the system's authorities."""
        self._timeouts = timeouts or Timeouts()
        self._tls = tls or ssl.create_default_context()
        self._speaks_http2: set[str] = set()
        self._pools = _Pools(self._tls.context() if isinstance(self._tls, UpstreamTls) else self._tls)
        self._retired: list[_Pools] = []

    async def send(self, url: str, request: Request, context: RequestContext) -> Response:
        """See `Transport.send`."""
        complete = isinstance(request.body, bytes)
        if isinstance(self._tls, UpstreamTls) and (context_now := self._tls.context()) is not self._pools.context:
            self._retired.append(self._pools)  # requests may be under way there; a rotation is a rare thing
            self._pools = _Pools(context_now)
        pool = self._pools.http2 if url in self._speaks_http2 else self._pools.single_use
        outgoing = self._outgoing(url, request, context)
        try:
            async with asyncio.timeout(self._timeouts.connect + self._timeouts.request if complete else None):
                answer = await pool.handle_async_request(outgoing)
        except TimeoutError:
            raise UpstreamTimeout("no answer in time") from None
        except httpx.TransportError as error:
            self._speaks_http2.discard(url)  # it may have been replaced by a service that does not
            raise _translated(error) from None
        if answer.http_version == "HTTP/2":
            self._speaks_http2.add(url)
        outgoing.extensions["timeout"]["read"] = self._timeouts.idle  # the head is here: now the body's pauses count
        if not 200 <= answer.status_code <= 599:
            await answer.aclose()
            raise UpstreamProtocolError(f"status {answer.status_code} is outside 200 to 599")
        headers = downstream_headers([(name.lower(), value) for name, value in answer.headers.raw])
        return Response(answer.status_code, headers, _Body(answer))

    async def close(self) -> None:
        """Close all connections."""
        for pools in (self._pools, *self._retired):
            await pools.single_use.aclose()
            await pools.http2.aclose()

    def _outgoing(self, url: str, request: Request, context: RequestContext) -> httpx.Request:
        origin = Origin.parse(url)
        headers = upstream_headers(request, (context.upstream_host or origin.authority).encode("latin-1"))
        body = request.body
        if isinstance(body, bytes):
            if body:
                headers.append((b"content-length", b"%d" % len(body)))
        else:
            length = request.header("content-length")
            headers.append((b"content-length", length.encode()) if length else (b"transfer-encoding", b"chunked"))
        timeouts = self._timeouts
        return httpx.Request(
            request.method,
            url,
            headers=headers,
            content=body,
            extensions={
                "target": f"{origin.base_path}{request.target}".encode("ascii"),
                "sni_hostname": self._tls.server_name if isinstance(self._tls, UpstreamTls) else None,
                "timeout": {
                    "connect": timeouts.connect,
                    "pool": timeouts.connect,
                    "read": timeouts.request,
                    "write": timeouts.idle,
                },
            },
        )


class _Pools:
    """The two pools of one TLS context."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        once = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self.single_use = httpx.AsyncHTTPTransport(http2=True, verify=context, limits=once)
        keep = httpx.Limits(max_connections=None, max_keepalive_connections=256, keepalive_expiry=30.0)
        self.http2 = httpx.AsyncHTTPTransport(http1=False, http2=True, verify=context, limits=keep)


class _Body:
    """The undecoded body of an httpx2 response."""

    def __init__(self, answer: httpx.Response) -> None:
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        self._answer = answer
        self._chunks: AsyncIterator[bytes] = aiter(answer.stream)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._chunks)
        except httpx.TransportError as error:
            raise _translated(error) from None

    async def aclose(self) -> None:
        await self._answer.aclose()


def _translated(error: httpx.TransportError) -> UpstreamError:
    detail = f"{type(error).__name__}: {error}"
    match error:
        case httpx.ConnectTimeout() | httpx.PoolTimeout():
            return ConnectTimeout(detail)
        case httpx.TimeoutException():
            return UpstreamTimeout(detail)
        case httpx.ConnectError():
            return ConnectFailed(detail)
        case httpx.NetworkError():
            return UpstreamReset(detail)
        case httpx.RemoteProtocolError() if "disconnected" in str(error):
            return UpstreamReset(detail)
    return UpstreamProtocolError(detail)
