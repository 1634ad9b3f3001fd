"""ASGI: the gateway's home behind a real server. Raw: no framework between server and chain.

Rule, in wire order: build the request without copying; let the chain answer; send head and body;
close the response, whatever happened. Three promises hold on the way:

- the client goes away: the task is cancelled, so the upstream call ends and its slot is free;
- the upstream dies in mid-body: the client's connection is cut, never ended as if complete;
- an answer that comes before the upload was read to its end closes the connection afterwards,
  because the bytes still under way must not be taken for the next request.

What it does not do: parse HTTP, limit header sizes, or speak WebSocket (refused).

Source: the ASGI specification 3.0, parts HTTP and lifespan; RFC 9110 6.6.1 (Date), 8.6.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager
from email.utils import formatdate
from typing import Any, TypeAlias

from api_gateway.core.client_certificate import CLIENT_CERTIFICATE_EXTENSION, ClientCertificate
from api_gateway.core.client_connection import CONNECTION_EXTENSION as CONNECTION_EXTENSION
from api_gateway.core.client_connection import ClientConnection as ClientConnection
from api_gateway.core.client_connection import Message as Message
from api_gateway.core.client_connection import PlainConnection
from api_gateway.core.client_connection import Receive as Receive
from api_gateway.core.clock import Clock
from api_gateway.core.errors import ClientDisconnected, RequestTimeout
from api_gateway.core.headers import HeaderPairs, Headers
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response

Scope: TypeAlias = MutableMapping[str, Any]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

BODY_IDLE_TIMEOUT = 30.0
"""Seconds for which the client may pause in the middle of its body."""

_NONE: Mapping[str, Any] = {}

_log = logging.getLogger("api_gateway.errors")


class AsgiApplication:
    """A handler as an ASGI application that keeps `resources` open for its lifespan."""

    __slots__ = ("_clock", "_date", "_date_second", "_handler", "_resources")

    def __init__(self, handler: Handler, clock: Clock, resources: AbstractAsyncContextManager[object]) -> None:
        self._handler = handler
        self._clock = clock
        self._resources = resources
        self._date_second = -1
        self._date = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] != "http":
            await self._serve_other(scope, receive, send)
            return
        upload = _RequestBody(receive) if _announces_body(scope["headers"]) else None
        extensions = scope.get("extensions", _NONE)
        connection: ClientConnection | None = extensions.get(CONNECTION_EXTENSION)
        plain = None
        if connection is None:
            connection = plain = PlainConnection(receive, upload is not None)
        try:
            connection.cancel_on_disconnect()
            context = self._context(scope, extensions.get(CLIENT_CERTIFICATE_EXTENSION))
            response = await self._handler(_request(scope, upload), context)
            try:
                bodiless = scope["method"] == "HEAD" or response.status in (204, 304)
                closing = upload is not None and not upload.ended
                if closing or not self._sent_whole(response, bodiless, connection):
                    await self._send(response, bodiless, closing, connection, send)
            finally:
                if response.held:
                    await response.close()
        except ClientDisconnected:
            if plain is None:
                connection.abort()
        except asyncio.CancelledError:
            connection.abort()  # the client has gone, or the server's drain time is over
        except Exception as error:
            _log.warning("response cut short: %s", error)
            connection.abort()
        finally:
            if plain is not None:
                plain.stop_watching()

    async def _serve_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await send({"type": "websocket.close", "code": 1003})
            return
        await receive()
        async with self._resources:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    def _context(self, scope: Scope, certificate: ClientCertificate | None) -> RequestContext:
        client = scope["client"]
        context = RequestContext(
            self._clock.monotonic(), client[0] if client else "", scope["scheme"], scope["http_version"]
        )
        context.client_certificate = certificate
        return context

    def _sent_whole(self, response: Response, bodiless: bool, connection: ClientConnection) -> bool:
        """Send all of it at once, if it is all there and the connection takes it: no coroutine for nothing."""
        body = b"" if bodiless else response.body
        if not isinstance(body, bytes):
            return False
        if not connection.send_whole(response.status, self._final_headers(response, bodiless), body):
            return False
        response.bytes_sent = len(body)
        response.complete = True
        return True

    async def _send(
        self, response: Response, bodiless: bool, closing: bool, connection: ClientConnection, send: Send
    ) -> None:
        headers = self._final_headers(response, bodiless)
        if closing:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        if closing:
            connection.linger()
        if bodiless:
            response.complete = True
        else:
            async for chunk in response.stream():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def _final_headers(self, response: Response, bodiless: bool) -> HeaderPairs:
        """The headers with `Date`, and a `Content-Length` that is true or absent."""
        body, pairs = response.body, response.headers.pairs
        names = [pair[0] for pair in pairs]
        if response.status in (204, 304):  # servers would wait for the bytes it announces
            headers = [pair for pair in pairs if pair[0] != b"content-length"]
        elif isinstance(body, bytes) and not bodiless:
            length = (b"content-length", b"%d" % len(body))
            if length in pairs and names.count(b"content-length") == 1:
                headers = [*pairs]
            else:
                headers = [*(pair for pair in pairs if pair[0] != b"content-length"), length]
        else:
            headers = [*pairs]
        if b"date" not in names:
            headers.append((b"date", self._now()))
        return headers

    def _now(self) -> bytes:
        second = int(self._clock.wall())
        if second != self._date_second:
            self._date_second, self._date = second, formatdate(second, usegmt=True).encode()
        return self._date


def _request(scope: Scope, upload: _RequestBody | None) -> Request:
    return Request.from_parts(
        scope["method"],
        scope["raw_path"].decode("latin-1"),
        scope["query_string"].decode("latin-1"),
        Headers.from_pairs(scope["headers"]),
        b"" if upload is None else upload,
    )


def _announces_body(headers: HeaderPairs) -> bool:
    """Whether a body follows (RFC 9112 6: either framing header says so)."""
    for name, value in headers:  # noqa: SIM110  # any() makes a generator: 0.4 us more for each request
        if name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
            return True
    return False


class _RequestBody:
    """The upload as the server hands it on, chunk by chunk."""

    __slots__ = ("_receive", "ended")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.ended = False

    def __aiter__(self) -> _RequestBody:
        return self

    async def __anext__(self) -> bytes:
        while not self.ended:
            try:
                async with asyncio.timeout(BODY_IDLE_TIMEOUT):
                    message = await self._receive()
            except TimeoutError:
                raise RequestTimeout(f"The request body paused for more than {BODY_IDLE_TIMEOUT:g} s.") from None
            if message["type"] == "http.disconnect":
                raise ClientDisconnected("the client left while sending its body")
            self.ended = not message.get("more_body", False)
            chunk: bytes = message.get("body", b"")
            if chunk:
                return chunk
        raise StopAsyncIteration
