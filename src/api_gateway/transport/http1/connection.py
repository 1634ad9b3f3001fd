"""One HTTP/1.1 connection to an endpoint: an exchange, then the next, or the end.

    idle -> exchange: head and body go out -> head comes in -> body comes in -> idle or closed

Rule: a connection is used again only after an exchange in perfect order: request sent whole, answer read whole,
keep-alive agreed, not one byte too many. Any doubt closes it, so no answer reaches the wrong client.

Upload and answer overlap: a service may answer before it has read everything (an early 413, an echo), so a task of
its own sends the body while the head is awaited.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable, Coroutine
from typing import cast

from api_gateway.core.errors import GatewayError
from api_gateway.core.lazy_timer import NEVER, LazyTimer
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import UpstreamProtocolError, UpstreamReset, UpstreamTimeout
from api_gateway.transport.forwarding import downstream_headers
from api_gateway.transport.http1.last_words import last_words
from api_gateway.transport.http1.pool import ConnectionPool
from api_gateway.transport.http1.response_body import ResponseBody
from api_gateway.transport.http1.response_parser import ResponseParser
from api_gateway.transport.http1.tls_end import ended_by_service
from api_gateway.transport.transport import Timeouts

KEEP_ALIVE = 30.0
"""Seconds an idle connection is kept."""


class Http1Connection(asyncio.Protocol):
    """A connection, driven by the event loop on one side and by `exchange` on the other."""

    def __init__(self, pool: ConnectionPool, timeouts: Timeouts) -> None:
        self.usable = False
        self._pool = pool
        self._timeouts = timeouts
        self._loop = asyncio.get_running_loop()
        self._parser = ResponseParser()
        self._transport: asyncio.Transport | None = None
        self._head: asyncio.Future[Response] | None = None
        self._body: ResponseBody | None = None
        self._upload: asyncio.Task[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._paused = False
        self._timer = LazyTimer(self._loop, self._expire)

    # The exchange, as the transport drives it.

    def exchange(
        self, head: bytes, upload: Callable[[Http1Connection], Coroutine[None, None, None]] | None, head_only: bool
    ) -> asyncio.Future[Response]:
        """Send a request. The future is the head of its answer, or the `UpstreamError` that there is none.

        Not a coroutine, as one more would be half a microsecond for each request. Whoever is
        cancelled while waiting for the future must call `abandon`.
        """
        answer: asyncio.Future[Response] = self._loop.create_future()
        if not self.usable:
            self.abort()
            answer.set_exception(UpstreamReset("the connection was closed before it was used", sent=False))
            return answer
        self._parser.expect(head_only)
        self._head = answer
        self.write(head)
        if upload is None:
            self._timer.expire_in(self._timeouts.request)
        else:
            self._upload = self._loop.create_task(self._send(upload))
            self._watch()
        return answer

    async def abandon(self, answer: asyncio.Future[Response]) -> None:
        """Nobody waits for `answer` any more."""
        # The head may have come in the same instant; then the connection may be another's by now.
        if answer.cancelled():
            self.abort()
        elif answer.exception() is None:
            await answer.result().close()

    async def _send(self, upload: Callable[[Http1Connection], Coroutine[None, None, None]]) -> None:
        try:
            await upload(self)
            self._upload = None
            self._watch()
        except asyncio.CancelledError:
            self.abort()  # whoever cancelled it: an exchange cannot end without its upload
            raise
        except Exception as error:
            self._fail(error)

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if self._transport is not None:
            self._transport.write(data)

    async def writable(self) -> None:
        """Wait until the service has taken what was sent; the idle timeout watches."""
        self._watch()
        if self._room is not None:
            await self._room
            self._watch()
        elif self._transport is None or self._transport.is_closing():
            await asyncio.sleep(0)  # let the event loop say that the connection is lost

    def quiet(self) -> bool:
        """Whether nothing waits unread in the socket: it would be taken for the next request's answer."""
        return not self._arrivals.poll(0)

    @property
    def answered(self) -> bool:
        """Whether any byte of an answer has come in this exchange."""
        return self._parser.started

    # The other side, as the event loop reports it.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self._arrivals = select.poll()
        self._arrivals.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        self.usable = True

    def data_received(self, data: bytes) -> None:
        if self._body is None and (self._head is None or self._head.done()):
            self.abort()  # an answer to nothing, or to nobody
            return
        parser = self._parser
        try:
            parser.feed(data)
        except UpstreamProtocolError as error:
            self._fail(error)
            return
        if self._body is not None:
            self._pass_on(self._body)
        elif parser.status:
            self._answer()

    def eof_received(self) -> None:
        """The service is done sending. Judged now: closing would wait for it to read what we sent."""
        if self._body is not None and self._parser.ended() and ended_by_service(self._transport):
            self._body.end()
        self._fail(UpstreamReset("the service closed the connection before its answer was complete"))

    def connection_lost(self, exc: Exception | None) -> None:
        transport, self._transport, self.usable = self._transport, None, False
        if exc is not None and (self._head is not None or self._body is not None):
            for data in last_words(transport):
                self.data_received(data)
        self._fail(UpstreamReset(f"the connection broke before the answer was complete: {exc}"))
        self._timer.cancel()

    def pause_writing(self) -> None:
        if self._room is None:
            self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    # From bytes to answer.

    def _answer(self) -> None:
        parser, answer = self._parser, self._head
        assert answer is not None, "data without an exchange is refused before"
        headers = downstream_headers(parser.headers)
        self._head = None  # before anybody else can take this connection
        if parser.complete:
            answer.set_result(Response(parser.status, headers, b"".join(parser.chunks)))
            self._finish()
        else:
            self._body = ResponseBody(self, b"".join(parser.chunks))
            answer.set_result(Response(parser.status, headers, self._body))
            self._timer.expire_in(self._timeouts.idle)

    def _pass_on(self, body: ResponseBody) -> None:
        chunks = self._parser.chunks
        full = bool(chunks) and body.feed(b"".join(chunks))
        if self._parser.complete:
            body.end()
            self._finish()
        elif full and self._transport is not None:
            # Waiting for the reader now: the service is not to blame for the time that takes.
            if not self._paused:
                self._paused = True
                self._transport.pause_reading()
            self._timer.expire_in(NEVER)
        else:
            self._timer.expire_in(self._timeouts.idle)

    def resume_body(self) -> None:
        """The reader of the body has caught up."""
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
            self._timer.expire_in(self._timeouts.idle)

    def _finish(self) -> None:
        parser, transport = self._parser, self._transport
        self._body = None
        self.resume_body()
        sent = self._upload is None and transport is not None and not transport.get_write_buffer_size()
        if sent and self.usable and parser.keep_alive and not parser.surplus and self._pool.give_back(self):
            self._timer.expire_in(KEEP_ALIVE)
        else:
            self.abort()

    # The end.

    def abort(self) -> None:
        """Close at once. Whoever waits for this connection gets `UpstreamReset`."""
        self._fail(UpstreamReset("the connection was closed"))

    def _fail(self, error: Exception) -> None:
        self.usable = False
        self._pool.forget(self)
        if self._head is not None and not self._head.done():
            self._head.set_exception(error)
        self._head = None
        if self._body is not None:
            # A refusal of ours in mid-answer, such as an upload over its limit, cuts the answer too.
            self._body.end(error if isinstance(error, GatewayError) else UpstreamReset(str(error)))
            self._body = None
        if self._upload is not None and not self._upload.done() and self._upload is not asyncio.current_task():
            self._upload.cancel()
        if self._room is not None and not self._room.done():
            self._room.cancel()
        if self._transport is not None:
            # Not at once: asyncio's TLS layer trips over an abort from within `data_received`.
            self._loop.call_soon(self._transport.abort)
        self._timer.expire_in(NEVER)

    def _watch(self) -> None:
        if self._paused:
            self._timer.expire_in(NEVER)  # waiting for our own reader
        elif self._body is not None or self._room is not None:
            self._timer.expire_in(self._timeouts.idle)
        else:  # waiting for the answer; or for the next of the upload, whose source has limits of its own
            self._timer.expire_in(self._timeouts.request if self._upload is None else NEVER)

    def _expire(self) -> None:
        if self._head is None and self._body is None:
            self.abort()  # idle for too long
        else:
            what = "no answer" if self._body is None else "no progress of the body"
            self._fail(UpstreamTimeout(f"{what} in time"))
