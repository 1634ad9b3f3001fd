"""In-process transport: the endpoint is a Handler in this very process.

Rule: the same seam as a socket. The endpoint's URL is looked up and its Handler is called.
`AsgiService` makes a Handler of an ASGI application: it runs in a task of its own, and its chunks
pass one by one, each waiting until it has been taken, so an endless event stream flows and a
slow reader slows the application down. Closing the response early tells the application that
its client has gone, and ends its task.

What it does not do: simulate a network (latency and faults are the fake service's own part), or
run an application's lifespan.

Source: the ASGI specification 3.0, part HTTP.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias
from urllib.parse import unquote

from api_gateway.core.asgi import Message, Receive, Scope, Send
from api_gateway.core.canonical_request import without_hop_by_hop
from api_gateway.core.headers import Headers
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import ConnectFailed, UpstreamProtocolError, UpstreamReset

AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI 3 application."""

_log = logging.getLogger("api_gateway.errors")


class InProcessTransport:
    """Calls Handlers by their endpoint's URL."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = dict(handlers)

    async def send(self, url: str, request: Request, context: RequestContext) -> Response:
        """See `Transport.send`."""
        handler = self._handlers.get(url)
        if handler is None:
            raise ConnectFailed(f"{url}: no handler has this address")
        return await handler(request, context)

    async def close(self) -> None:
        """End what applications still run behind their answers."""
        for handler in self._handlers.values():
            if isinstance(handler, AsgiService):
                await handler.close()


class AsgiService:
    """An ASGI application as a Handler."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app
        self._running: set[asyncio.Task[None]] = set()  # the loop itself keeps no task alive

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        """Call the application; returns when it has sent its response head.

        Raises:
            UpstreamReset: it ended without answering.
            UpstreamProtocolError: its answer has no valid status, or headers that HTTP forbids.
        """
        call = _AsgiCall(request)
        task = asyncio.create_task(call.run(self._app, _scope(request, context)))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        call.task = task
        try:
            return await call.head()
        except BaseException:
            await call.aclose()
            raise

    async def close(self) -> None:
        """End every call that is still running, background work included."""
        running = list(self._running)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)


class _AsgiCall:
    """One call of an application: its two channels, and the body it produces."""

    task: asyncio.Task[None]

    def __init__(self, request: Request) -> None:
        self._upload = request.stream()
        self._upload_ended = False
        self._reader_gone = asyncio.Event()
        self._messages: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()
        self._over = False
        self._failure: Exception | None = None
        self._refusal: Exception | None = None
        self._ended = False
        self._abandoned = False

    async def run(self, app: AsgiApp, scope: Scope) -> None:
        try:
            await app(scope, self._receive, self._send)
        except Exception as error:
            self._failure = error
            if self._ended and not self._abandoned:
                _log.error("an application failed after its answer", exc_info=error)
        finally:
            self._over = True
            self._arrived.set()

    async def _receive(self) -> Message:
        if self._upload_ended:
            await self._reader_gone.wait()
            return {"type": "http.disconnect"}
        try:
            chunk = await anext(self._upload)
        except StopAsyncIteration:
            self._upload_ended = True
            chunk = b""
        except Exception as error:
            self._refusal = error  # of ours, such as a body over its limit: not the application's to answer
            raise
        return {"type": "http.request", "body": chunk, "more_body": not self._upload_ended}

    async def _send(self, message: Message) -> None:
        if self._abandoned:
            raise OSError("the client has gone")
        if self._ended:
            raise RuntimeError("an application sent more after the end of its answer")
        self._taken.clear()
        self._messages.append(message)
        self._arrived.set()
        await self._taken.wait()

    async def _next_message(self) -> Message:
        while not self._messages or self._refusal is not None:
            if self._refusal is not None:
                raise self._refusal
            if self._over:
                raise UpstreamReset(f"the application ended too early: {self._failure!r}")
            self._arrived.clear()
            await self._arrived.wait()
        self._taken.set()
        return self._messages.popleft()

    async def head(self) -> Response:
        message = await self._next_message()
        status = message.get("status", 0)
        if not 200 <= status <= 599:
            raise UpstreamProtocolError(f"the application began with {message['type']}, status {status}")
        try:
            headers = Headers(message.get("headers", ()))
        except ValueError as error:
            raise UpstreamProtocolError(f"the application's headers: {error}") from None
        return Response(status, Headers.from_pairs(without_hop_by_hop(headers.pairs)), self)

    def __aiter__(self) -> _AsgiCall:
        return self

    async def __anext__(self) -> bytes:
        while not self._ended:
            message = await self._next_message()
            self._ended = not message.get("more_body", False)
            chunk: bytes = message.get("body", b"")
            if chunk:
                return chunk
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self._reader_gone.set()
        if not self._ended:
            self._ended = self._abandoned = True
            self.task.cancel()
            await asyncio.wait([self.task])


def _scope(request: Request, context: RequestContext) -> Scope:
    headers = request.headers
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": context.scheme,
        "path": unquote(request.path),
        "raw_path": request.path.encode("ascii"),
        "query_string": request.query.encode("ascii"),
        "root_path": "",
        "headers": headers.pairs if "host" in headers else [(b"host", b"in-process"), *headers.pairs],
        "client": (context.client_address, 0) if context.client_address else None,
        "server": None,
        "state": {},
    }
