"""Edge protocol: one client connection, hardened for clients that do not mean well.

uvicorn's httptools protocol in two halves: `edge_reader.py` bounds what comes in, this file decides
what goes out, and how a connection ends.

| what happens | how it ends |
|---|---|
| a request is refused before it is one | problem+json, then closed |
| the same behind requests that are still running | not answered: their answers are finished, then closed |
| a malformed body, its head handed on already | 400 if nothing was answered yet, else a cut |
| an answer before the upload has ended | the rest is dropped for a moment, so that the answer arrives |
| an answer that fails in its middle | a cut, which HTTP/1.0 sees as a reset (`close_delimited.py`) |
| a client that stops taking its answer | a reset (`send_watch.py`) |

This class is the `api_gateway.connection` extension that `core/asgi.py` uses.

What it does not do: limit the number of connections, or the total time of a body.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle
from uvicorn.server import ServerState

from api_gateway.core.asgi import CONNECTION_EXTENSION
from api_gateway.core.errors import ClientDisconnected, ClientError
from api_gateway.core.headers import HeaderPairs
from api_gateway.core.lazy_timer import LazyTimer
from api_gateway.server.close_delimited import reset
from api_gateway.server.edge_reader import EdgeLimits as EdgeLimits
from api_gateway.server.edge_reader import EdgeReader
from api_gateway.server.refusal import refusal
from api_gateway.server.send_watch import SendWatch

LINGER = 2.0
"""Seconds for which a refused client may go on sending before the connection closes."""

_log = logging.getLogger("api_gateway.edge")


class EdgeProtocol(EdgeReader):
    """One client connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._extensions[CONNECTION_EXTENSION] = self
        self._running: RequestResponseCycle | None = None
        self._disconnected: Callable[[], object] | None = None
        self._send_watch: SendWatch
        self._idle = LazyTimer(self.loop, self._close)  # in place of uvicorn's timer for each request
        self._closing_after_answers = self._closing_after_this_one = False

    @classmethod
    def with_limits(cls, limits: EdgeLimits) -> type[EdgeProtocol]:
        """This protocol with other limits; uvicorn wants a class."""
        return type("EdgeProtocol", (cls,), {"limits": limits})

    # The connection extension.

    def on_disconnect(self, callback: Callable[[], object]) -> None:
        """See `core.asgi.ClientConnection`."""
        if self._running is None or self._running.disconnected:
            raise ClientDisconnected("the client left, or sent a malformed body, before its request began")
        self._disconnected = callback

    def send_whole(self, status: int, headers: HeaderPairs, body: bytes) -> bool:
        """See `core.asgi.ClientConnection`.

        uvicorn writes head and body apart; on loopback a write costs 10 us, so one is saved here.
        """
        cycle = self._running
        if cycle is None or cycle.disconnected or self.flow.write_paused:
            return False
        parts = [STATUS_LINE[status]]
        for name, value in headers:
            parts += (name, b": ", value, b"\r\n")
        if not cycle.keep_alive:
            parts.append(b"connection: close\r\n")
        parts.append(b"\r\n")
        head = b"".join(parts)
        lines = len(headers) + (2 if cycle.keep_alive else 3)
        if head.count(b"\n") != lines or head.count(b"\r") != lines:
            raise ValueError("a response header holds a line break")
        bodiless = cycle.scope["method"] == "HEAD" or status in (204, 304)
        self.transport.write(head if bodiless else head + body)
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
        return True

    def linger(self) -> None:
        """See `core.asgi.ClientConnection`."""
        if self._running is not None:
            self._closing_after_answers = self._closing_after_this_one = True
            self._running.keep_alive = True  # the header says close; closing at once could reset the answer away

    def abort(self) -> None:
        """See `core.asgi.ClientConnection`."""
        if self._running is None:
            return
        self._running.disconnected = True
        if self.transport.is_closing():
            return
        if self._running.scope["http_version"] == "1.0":
            reset(self.transport)  # a mere end would be the end of the body there
        else:
            self._close()

    # The event loop's side.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        _send_small_pieces_at_once(transport)
        self._send_watch = SendWatch(transport, self.loop, self.limits.send_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._send_watch.stop()
        self._idle.cancel()
        self.pipeline.clear()
        self._tell_disconnected()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._send_watch.start()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._send_watch.stop()

    def _unset_keepalive_if_required(self) -> None:
        self._idle.rest()

    def _busy(self) -> bool:
        return self._running is not None

    def _close(self) -> None:
        self._send_watch.close()

    # Answers, and refusals.

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        self._disconnected = None
        self._running = None
        if self._closing_after_this_one:
            self.pipeline.clear()
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            if self.transport.get_write_buffer_size():
                self._send_watch.start()
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._closing_after_answers:
            self._close_gently()
        else:
            self._idle.expire_in(self.timeout_keep_alive)

    def _refuse(self, error: ClientError) -> None:
        """Answer a request that never became one, and be done with this connection."""
        _log.info("refused %s: %d %s", self.client[0] if self.client else "-", error.status, error.detail)
        self._discarding = True
        self._closing_after_answers = True
        self._stop_watching_head()
        body_is_broken = self.cycle is not None and self.cycle.more_body and not self.cycle.response_complete
        if body_is_broken and self._running is not self.cycle:
            self.pipeline.popleft()  # queued, not yet begun
        elif body_is_broken and self.cycle.response_started:
            self.transport.abort()
        elif body_is_broken:
            self._tell_disconnected()
            self._running = None
            self._close_gently(refusal(error))
        elif self._running is None:
            self._close_gently(refusal(error))

    def _close_gently(self, last_words: bytes = b"") -> None:
        """Close for writing, let the client finish sending for a moment, close.

        Closing with unread bytes makes the kernel send a reset, which can destroy the answer
        before the client has read it.
        """
        self._discarding = True
        self._unset_keepalive_if_required()
        if self.transport.is_closing():
            return
        self.transport.write(last_words)
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self.loop.call_later(LINGER, self._close)
        else:
            self._close()

    def _tell_disconnected(self) -> None:
        callback, self._disconnected = self._disconnected, None
        if self._running is not None:
            self._running.disconnected = True
            self._running.message_event.set()
        if callback is not None:
            callback()


def _send_small_pieces_at_once(transport: asyncio.Transport) -> None:
    """Set TCP_NODELAY, or the second small chunk of a stream waits up to 40 ms for an acknowledgement.

    asyncio does so only for sockets that were made with an explicit protocol number; the one that a
    supervisor binds and hands on rarely is.
    """
    connection = transport.get_extra_info("socket")
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
