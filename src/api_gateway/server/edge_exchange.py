"""Edge exchange: one request of a client and its answer, between the socket and the application.

To the application it is ASGI's `receive` and `send`, and the `api_gateway.connection` extension.

How the client can tell where the answer ends, in this order (RFC 9112 section 6.3):

| the answer | its end |
|---|---|
| to HEAD, or 204, or 304 | the end of its head |
| has a `Content-Length` | so many bytes; one more or one less is an error, and a cut |
| to HTTP/1.1 | chunks |
| to HTTP/1.0 | the end of the connection (`close_delimited.py`) |

`Transfer-Encoding` is therefore written here and nowhere else.

Cost: this object and its futures only where somebody waits. uvicorn's own cycle, an event and a
coroutine more for each request, took twice the time.

What it does not do: parse, or decide which exchange is next. The connection does (`edge_protocol.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from http import HTTPStatus
from typing import TYPE_CHECKING

from api_gateway.core.client_connection import Message
from api_gateway.core.errors import ClientDisconnected
from api_gateway.core.headers import HeaderPairs, field_line, message_head
from api_gateway.server.body_rate import BodyRate

if TYPE_CHECKING:
    from api_gateway.server.edge_protocol import EdgeProtocol

UPLOAD_HIGH_WATER = 64 * 1024
"""Bytes of a body that wait for the application; from here on the client has to wait, too."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_STATUS_LINES = {status: f"HTTP/1.1 {status} {_PHRASES.get(status, '')}".encode() for status in range(200, 600)}
_NO_BODY = frozenset({204, 304})

_log = logging.getLogger("api_gateway.edge")


class EdgeExchange:
    """One request and its answer."""

    __slots__ = ("_body", "_body_rate", "_cancelled_on_disconnect", "_chunked", "_connection", "_end_told", "_left",
                 "_received", "_version", "_waiter", "begun", "complete", "disconnected", "expects_continue",
                 "headers", "keep_alive", "method", "more_body", "task")  # fmt: skip

    begun: bool
    """Whether the head of the answer is on its way."""
    complete: bool
    """Whether the whole answer is on its way."""
    disconnected: bool
    """Whether there is nobody to answer any more."""
    task: asyncio.Task[None] | None
    """Where the application runs, while it does."""
    more_body: bool
    """Whether some of the request's body has not come yet."""

    def __init__(
        self,
        connection: EdgeProtocol,
        method: str,
        version: str,
        headers: HeaderPairs,
        *,
        keep_alive: bool,
        expects_continue: bool,
    ) -> None:
        self.headers = headers
        self.keep_alive = keep_alive
        self.expects_continue = expects_continue
        self.more_body = True
        self.begun = self.complete = self.disconnected = False
        self._connection = connection
        self.method = method
        self._version = version
        self._body = b""
        self._received = 0
        self._body_rate: BodyRate | None = None
        self._end_told = False
        self._waiter: asyncio.Future[None] | None = None
        self._cancelled_on_disconnect = False
        self.task: asyncio.Task[None] | None = None
        self._chunked = False
        self._left: int | None = None  # bytes of the body still owed; None where nobody counts

    # The request's body.

    def feed(self, data: bytes) -> None:
        """Some of the body has come."""
        if self.complete:
            return
        self._body += data
        self._received += len(data)
        if len(self._body) > UPLOAD_HIGH_WATER:
            self._connection.flow.pause_reading()
        self._wake()

    def end_body(self) -> None:
        """The body is complete."""
        self.more_body = False
        self._wake()

    async def receive(self) -> Message:
        """ASGI: the next part of the body, or `http.disconnect`.

        Raises:
            RequestTimeout: the client sends its body too slowly.
        """
        connection = self._connection
        if self.expects_continue and not self.begun and not connection.transport.is_closing():
            self.expects_continue = False
            connection.transport.write(_CONTINUE)
        while not (self._body or self.disconnected or self.complete or not (self.more_body or self._end_told)):
            connection.flow.resume_reading()
            self._waiter = waiter = connection.loop.create_future()
            try:
                await (self._in_time(waiter) if self.more_body else waiter)
            finally:
                self._waiter = None
        if self.disconnected or self.complete:
            return {"type": "http.disconnect"}
        body, self._body = self._body, b""
        self._end_told = not self.more_body
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    def _in_time(self, waiter: asyncio.Future[None]) -> Awaitable[None]:
        if self._body_rate is None:
            limits = self._connection.limits
            self._body_rate = BodyRate(self._connection.loop, limits.min_body_rate, limits.body_grace)
        return self._body_rate.wait(waiter, self._received)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # The answer.

    async def send(self, message: Message) -> None:
        """ASGI: send the head, or some of the body.

        Raises:
            ValueError: a header holds a line break, or the body is not as long as announced.
        """
        connection = self._connection
        if connection.flow.write_paused and not self.disconnected:
            await connection.flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            self._begin(message["status"], message["headers"])
            return
        body: bytes = message.get("body", b"")
        more_body: bool = message.get("more_body", False)
        if self._left is not None:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more_body):
                raise ValueError("the body is not as long as Content-Length says")
        if self._chunked:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"" if more_body else b"0\r\n\r\n")
        if body:
            connection.transport.write(body)
        if not more_body:
            self._finish()

    def _begin(self, status: int, headers: HeaderPairs) -> None:
        framing = {name: value for name, value in headers if name in (b"content-length", b"connection")}
        headers = [pair for pair in headers if pair[0] != b"transfer-encoding"]
        if self.method == "HEAD" or status in _NO_BODY:
            self._left = 0
        elif b"content-length" in framing:
            self._left = int(framing[b"content-length"])
        elif self._version == "1.1":
            self._chunked = True
            headers.append((b"transfer-encoding", b"chunked"))
        if framing.get(b"connection") == b"close":
            headers.remove((b"connection", b"close"))
            self.keep_alive = False
        head = self._head(status, headers)
        self.begun = True
        self._connection.transport.write(head)

    def send_whole(self, status: int, headers: HeaderPairs, body: bytes) -> bool:
        """See `core.client_connection.ClientConnection`. One write: on loopback each costs 10 us."""
        connection = self._connection
        if self.disconnected or connection.flow.write_paused:
            return False
        head = self._head(status, headers)
        self.begun = True
        connection.transport.write(head if self.method == "HEAD" or status in _NO_BODY else head + body)
        self._finish()
        return True

    def _head(self, status: int, headers: HeaderPairs) -> bytes:
        lines = [_STATUS_LINES[status], *map(field_line, headers)]
        if not self.keep_alive:
            lines.append(b"connection: close")
        return message_head(lines)

    def _finish(self) -> None:
        self.complete = True
        self._wake()
        if not self.keep_alive:
            self._connection.transport.close()
        self._connection.answered()

    # The end, in order or not.

    def cancel_on_disconnect(self) -> None:
        """See `core.client_connection.ClientConnection`."""
        if self.disconnected:
            raise ClientDisconnected("the client left, or sent a malformed body, before its request began")
        self._cancelled_on_disconnect = True

    def disconnect(self) -> None:
        """Nobody waits for the answer any more: tell the application."""
        if self.complete or self.disconnected:
            return
        self.disconnected = True
        self._wake()
        if self._cancelled_on_disconnect and self.task is not None:
            self.task.cancel()

    def linger(self) -> None:
        """See `core.client_connection.ClientConnection`."""
        self._connection.linger()

    def abort(self) -> None:
        """See `core.client_connection.ClientConnection`."""
        if not (self.complete or self.disconnected):  # else it has gone, or is being told what was wrong
            self.disconnected = True
            self._connection.cut(self._version)

    def task_done(self, task: asyncio.Task[None]) -> None:
        """The application has returned."""
        self.task = None
        self._connection.server_state.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("defect in the application", exc_info=task.exception())
        self.abort()  # of no effect if all is well
