"""ASGI: the gateway's home behind a real server. Raw: no framework between server and chain.

Rule, in wire order: build the request without copying; let the chain answer; send head and body;
close the response, whatever happened. Three promises hold on the way:

- the client goes away: the task is cancelled, so the upstream call ends and its slot is free;
- the upstream dies in mid-body: the client's connection is cut, never ended as if complete;
- an answer that comes before the upload was read to its end closes the connection afterwards,
  because the bytes still under way must not be taken for the next request.

A server that offers the `api_gateway.connection` extension (ours does: `server/edge_protocol.py`)
tells of a disconnect by a callback. On any other ASGI server a second task for each request waits
for `http.disconnect`, which costs throughput.

What it does not do: parse HTTP, limit header sizes, or speak WebSocket (refused).

Source: the ASGI specification 3.0, parts HTTP and lifespan; RFC 9110 6.6.1 (Date), 8.6.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from email.utils import formatdate
from typing import Any, Protocol, TypeAlias

from api_gateway.core.clock import Clock
from api_gateway.core.errors import ClientDisconnected, RequestTimeout
from api_gateway.core.headers import HeaderPairs, Headers
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Body, Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response

# ASGI's own shapes: the specification defines its messages as dictionaries of anything.
Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

CONNECTION_EXTENSION = "api_gateway.connection"
BODY_IDLE_TIMEOUT = 30.0
"""Seconds for which the client may pause in the middle of its body."""

_log = logging.getLogger("api_gateway.errors")


class ClientConnection(Protocol):
    """What a server can tell of, and do to, the client's connection beyond ASGI."""

    def on_disconnect(self, callback: Callable[[], object]) -> None:
        """Call `callback` if the connection ends before the current response does."""
        ...

    def linger(self) -> None:
        """When the current response is sent, discard what the client still sends, then close."""
        ...

    def abort(self) -> None:
        """Cut the connection so that the client cannot take what it has for the whole body."""
        ...


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
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1003})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        body: Body = _RequestBody(receive) if _announces_body(scope["headers"]) else b""
        connection: ClientConnection | None = scope.get("extensions", {}).get(CONNECTION_EXTENSION)
        task = asyncio.current_task()
        assert task is not None, "an ASGI application runs in a task"
        if connection is None:
            await self._serve_watching(scope, body, receive, send, task)
            return
        connection.on_disconnect(task.cancel)
        try:
            await self._answer(scope, body, send, connection)
        except (ClientDisconnected, asyncio.CancelledError):
            connection.abort()  # the client has gone, or the server's drain time is over
        except Exception as error:
            _log.warning("response cut short: %s", error)
            connection.abort()

    async def _serve_watching(
        self, scope: Scope, body: Body, receive: Receive, send: Send, task: asyncio.Task[None]
    ) -> None:
        # Only one reader may call receive(); while an upload runs, its reader sees the disconnect.
        watch = _DisconnectWatch(receive, task) if body == b"" else None
        try:
            await self._answer(scope, body, send, None)
        except ClientDisconnected:
            pass
        except asyncio.CancelledError:
            if watch is None or not watch.disconnected:
                raise
        finally:
            if watch is not None:
                watch.stop()

    async def _answer(self, scope: Scope, body: Body, send: Send, connection: ClientConnection | None) -> None:
        client = scope["client"]
        context = RequestContext(
            self._clock.monotonic(), client[0] if client else "", scope["scheme"], scope["http_version"]
        )
        request = Request.from_parts(
            scope["method"],
            scope["raw_path"].decode("latin-1"),
            scope["query_string"].decode("latin-1"),
            Headers.from_pairs(scope["headers"]),
            body,
        )
        response = await self._handler(request, context)
        try:
            unfinished = isinstance(body, _RequestBody) and not body.ended
            await send(self._start(response, scope["method"], unfinished))
            if unfinished and connection is not None:
                connection.linger()
            await _send_body(response, send)
        finally:
            await response.close()

    def _start(self, response: Response, method: str, closing: bool) -> Message:
        status, body = response.status, response.body
        if not 200 <= status <= 599:
            raise ValueError(f"a handler answered with status {status}")
        bodiless = status in (204, 304)
        dated = False
        headers: HeaderPairs = []
        for pair in response.headers.pairs:
            name = pair[0]
            if name == b"content-length":
                # For a 304 the server would wait for those bytes; for a complete body we know better.
                if bodiless or (method != "HEAD" and isinstance(body, bytes)):
                    continue
            elif name == b"date":
                dated = True
            headers.append(pair)
        if isinstance(body, bytes) and not bodiless and method != "HEAD":
            headers.append((b"content-length", b"%d" % len(body)))
        if not dated:
            headers.append((b"date", self._now()))
        if closing:
            headers.append((b"connection", b"close"))
        return {"type": "http.response.start", "status": status, "headers": headers}

    def _now(self) -> bytes:
        second = int(self._clock.wall())
        if second != self._date_second:
            self._date_second, self._date = second, formatdate(second, usegmt=True).encode()
        return self._date

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self._resources:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


async def _send_body(response: Response, send: Send) -> None:
    body = response.body
    if isinstance(body, bytes):
        await send({"type": "http.response.body", "body": body})
        response.bytes_sent = len(body)
        response.complete = True
        return
    async for chunk in response.stream():
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


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


class _DisconnectWatch:
    """Cancels a task when the server says that the client has gone."""

    __slots__ = ("_task", "_watcher", "disconnected")

    def __init__(self, receive: Receive, task: asyncio.Task[None]) -> None:
        self._task = task
        self.disconnected = False
        self._watcher = asyncio.create_task(self._watch(receive))

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.disconnected = True
        self._task.cancel()

    def stop(self) -> None:
        self._watcher.cancel()
