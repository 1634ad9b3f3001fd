"""Edge protocol: one client connection, hardened for clients that do not mean well.

A protocol for uvicorn's server, in three parts: `edge_reader.py` bounds what comes in,
`edge_exchange.py` is one request and its answer, and this file decides whose turn it is, and how a
connection ends.

| what happens | how it ends |
|---|---|
| a request is refused before it is one | problem+json, then closed |
| the same behind requests that are still running | not answered: their answers are finished, then closed |
| a malformed body, its head handed on already | 400 if nothing was answered yet, else a cut |
| an answer before the upload has ended | the rest is dropped for a moment, so that the answer arrives |
| an answer that fails in its middle | a cut, which HTTP/1.0 sees as a reset (`close_delimited.py`) |
| a client that stops taking its answer | a reset (`send_watch.py`) |
| one connection too many | an answer, closed at once (`connection_limits.py`) |

What is refused here is told to the security events (`edge_events.py`), or logged where nobody listens to those.

What it does not do: the total time of a body. It has a lowest rate (`body_rate.py`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import ClassVar

from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from api_gateway.core.asgi import Scope
from api_gateway.core.errors import BadRequest, ClientError, GatewayError
from api_gateway.core.lazy_timer import NEVER
from api_gateway.core.security_events import EventName, SecurityEvents
from api_gateway.server.close_delimited import reset
from api_gateway.server.connection_limits import ConnectionLimits
from api_gateway.server.edge_events import report_refusal
from api_gateway.server.edge_exchange import EdgeExchange
from api_gateway.server.edge_limits import EdgeLimits
from api_gateway.server.edge_reader import EdgeReader
from api_gateway.server.refusal import refusal
from api_gateway.server.send_watch import SendWatch
from api_gateway.server.small_pieces import send_small_pieces_at_once

LINGER = 2.0
"""Seconds for which a refused client may go on sending before the connection closes."""
MAX_PIPELINED = 32
"""Requests that may wait on one connection: 256 KiB, one read, could hold 10,000 of them."""


class EdgeProtocol(EdgeReader):
    """One client connection."""

    connections: ClassVar[ConnectionLimits | None] = None
    """Counts the connections of this server; None for no limit."""
    events: ClassVar[SecurityEvents | None] = None
    """Hears what is refused here."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """As uvicorn calls it; `app_state` is the lifespan's, which a gateway does not use."""
        super().__init__(_loop or asyncio.get_running_loop())
        self.server_state = server_state
        self.lingers = False
        self._application = config.loaded_app
        self._keep_alive = config.timeout_keep_alive
        self._running: EdgeExchange | None = None
        self._waiting: deque[tuple[EdgeExchange, Scope]] = deque()
        self._closing_after_answers = False
        self._send_watch: SendWatch

    @classmethod
    def with_limits(cls, limits: EdgeLimits, events: SecurityEvents | None = None) -> type[EdgeProtocol]:
        """This protocol for one server, with its limits; uvicorn wants a class."""
        shared = {"limits": limits, "connections": ConnectionLimits(limits), "events": events}
        return type("EdgeProtocol", (cls,), shared)

    # The event loop's side.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a server's always is
        self.server_state.connections.add(self)  # type: ignore[arg-type]  # uvicorn names its own classes
        self.flow = FlowControl(transport)
        send_small_pieces_at_once(transport)
        self._send_watch = SendWatch(transport, self.loop, self.limits.send_timeout)
        super().connection_made(transport)
        if self.connections is not None:
            error = self.connections.admit(self, self._peer, self.loop.time())
            if error is not None:
                self._turn_away(error)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.connections is not None:
            self.connections.release(self)
        self.server_state.connections.discard(self)
        self._send_watch.stop()
        self._idle.cancel()
        self._waiting.clear()
        for exchange in (self._running, self.exchange):
            if exchange is not None:
                exchange.disconnect()
        self.flow.resume_writing()
        if exc is None:
            self.transport.close()

    def pause_writing(self) -> None:
        self.flow.pause_writing()
        self._send_watch.start()

    def resume_writing(self) -> None:
        self.flow.resume_writing()
        if not self.transport.is_closing():
            self._send_watch.stop()

    def shutdown(self) -> None:
        """Uvicorn: the server stops. Finish what runs."""
        if self.exchange is None or self.exchange.complete:
            self.transport.close()
        else:
            self.exchange.keep_alive = False

    def _close(self) -> None:
        self._send_watch.close()

    @property
    def _peer(self) -> str:
        client = self._scope.client
        return client[0] if client else ""

    # One of many connections (`connection_limits.Connection`).

    @property
    def idle_deadline(self) -> float:
        """See `connection_limits.Connection`."""
        return self._idle.deadline if not self.transport.get_write_buffer_size() else NEVER

    def give_way(self) -> None:
        """See `connection_limits.Connection`. Not `close`, which with TLS waits for the client."""
        self.transport.abort()

    def _turn_away(self, error: GatewayError) -> None:
        """Answer and close, without waiting for the client to read: others are waiting for the place."""
        self._discarding = True
        self._stop_watching_head()
        self._report("limit_exceeded", error)
        self.transport.write(refusal(error))
        self.transport.close()

    # Whose turn it is.

    def _arrived(self, exchange: EdgeExchange, scope: Scope) -> None:
        if self._running is None:
            self._start(exchange, scope)
            return
        self._waiting.append((exchange, scope))
        if len(self._waiting) > MAX_PIPELINED:
            raise BadRequest(f"More than {MAX_PIPELINED} requests wait on this connection.")

    def _start(self, exchange: EdgeExchange, scope: Scope) -> None:
        self._running = exchange
        task = self.loop.create_task(self._application(scope, exchange.receive, exchange.send))
        exchange.task = task
        self.server_state.tasks.add(task)
        task.add_done_callback(exchange.task_done)

    def answered(self) -> None:
        """The running exchange is complete: the next, or none."""
        self._running = None
        self.server_state.total_requests += 1
        if self.lingers:
            self._waiting.clear()
        if self.transport.is_closing():
            if self.transport.get_write_buffer_size():
                self._send_watch.start()
            return
        self.flow.resume_reading()
        if self._waiting:
            self._start(*self._waiting.popleft())
        elif self._closing_after_answers:
            self._close_gently()
        else:
            self._idle.expire_in(self._keep_alive)

    # How it ends.

    def linger(self) -> None:
        """When the running exchange is complete, discard what the client still sends, then close."""
        self._closing_after_answers = self.lingers = True
        if self._running is not None:
            self._running.keep_alive = True  # the header says close; closing at once could reset the answer away

    def cut(self, http_version: str) -> None:
        """Close so that the client cannot take what it has for the whole."""
        if self.transport.is_closing():
            return
        if http_version == "1.0":
            reset(self.transport)  # a mere end would be the end of the body there
        else:
            self._close()

    def _refuse(self, error: ClientError) -> None:
        """Answer a request that never became one, and be done with this connection."""
        self._discarding = True
        self._closing_after_answers = True
        self._stop_watching_head()
        exchange = self.exchange
        in_body = exchange is not None and exchange.more_body and not exchange.complete
        self._report("malformed", error, exchange.method if exchange and in_body else "", self._target)
        if exchange is None or not in_body:
            if self._running is None:
                self._close_gently(refusal(error))
        elif self._running is not exchange:
            self._waiting.pop()  # its body is malformed, and it has not begun
        elif exchange.begun:
            self.transport.abort()
        else:
            exchange.disconnect()
            self._running = None
            self._close_gently(refusal(error))

    def _report(self, name: EventName, error: GatewayError, method: str = "", target: bytes = b"") -> None:
        report_refusal(self.events, name, error, self._peer, method, target)

    def _close_gently(self, last_words: bytes = b"") -> None:
        """Close for writing, let the client finish sending for a moment, close.

        Closing with unread bytes makes the kernel send a reset, which can destroy the answer
        before the client has read it.
        """
        self._discarding = True
        self._idle.rest()
        if self.transport.is_closing():
            return
        self.transport.write(last_words)
        self.flow.resume_reading()
        if self.transport.can_write_eof():  # not with TLS; there the answer's length says where it ends
            self.transport.write_eof()
        self.loop.call_later(LINGER, self._close)
