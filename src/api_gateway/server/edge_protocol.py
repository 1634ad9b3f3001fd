"""Edge protocol: uvicorn's httptools protocol, hardened for clients that do not mean well.

llhttp refuses most malformed bytes; uvicorn answers 400. An edge needs more:

| what comes | what happens |
|---|---|
| request target over the limit | 414 |
| header bytes or fields over the limit, endless trailers or chunk extensions | 431 |
| a header section not complete in time, counted in total (slow loris) | 408 |
| absolute-form target | its authority replaces `Host` (RFC 9112 3.2.2) |
| `*`, authority form, `#` or a non-ASCII byte in the target, another HTTP version | 400, 405 |
| a malformed body, its head handed on already | 400 if nothing was answered yet, else a cut |
| bytes behind an `Upgrade` that is not granted | dropped; the request is answered, then closed |
| more of an upload whose answer is already sent | dropped for a moment, so that the answer arrives |
| a client of HTTP/1.0 | never a chunked answer (RFC 9112 6.1) |

Refusals are problem+json and close the connection. A malformed request behind others on one
connection is not answered: the answers before it are finished, then the connection closes.

This class is the `api_gateway.connection` extension that `core/asgi.py` uses.

What it does not do: limit the number of connections, or the total time of a body.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

import httptools
from uvicorn._types import ASGI3Application, ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from api_gateway.core.asgi import CONNECTION_EXTENSION
from api_gateway.core.canonical_request import FORWARDABLE_METHODS
from api_gateway.core.error_boundary import problem_body, problem_headers
from api_gateway.core.errors import (
    BadRequest,
    ClientError,
    HeadersTooLarge,
    MethodNotAllowed,
    RequestTimeout,
    TargetTooLong,
)

LINGER = 2.0
"""Seconds for which a refused client may go on sending before the connection closes."""

_log = logging.getLogger("api_gateway.edge")
_ORIGIN_FORM = re.compile(rb"/[\x21\x22\x24-\x7e]*")
_ABSOLUTE_FORM = re.compile(rb"https?://([^/?#@]+)([/?][\x21\x22\x24-\x7e]*)?", re.IGNORECASE)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class EdgeLimits:
    """What one request's head may take."""

    max_target: int = 8 * 1024
    """Bytes of path and query."""
    max_header_bytes: int = 32 * 1024
    """Bytes of the header section; also of trailers."""
    max_header_fields: int = 100
    head_timeout: float = 10.0
    """Seconds from the first byte (or the connection's start) to the end of the header section."""


class EdgeProtocol(HttpToolsProtocol):
    """One client connection."""

    limits: ClassVar[EdgeLimits] = EdgeLimits()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._extensions = {CONNECTION_EXTENSION: self}
        self._running: RequestResponseCycle | None = None
        self._disconnected: Callable[[], object] | None = None
        self._in_head = False
        self._received = 0
        self._bytes_without_progress = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._closing_after_answers = False
        self._discarding = False

    @classmethod
    def with_limits(cls, limits: EdgeLimits) -> type[EdgeProtocol]:
        """This protocol with other limits; uvicorn wants a class."""
        return type("EdgeProtocol", (cls,), {"limits": limits})

    # The connection extension.

    def on_disconnect(self, callback: Callable[[], object]) -> None:
        """See `core.asgi.ClientConnection`."""
        self._disconnected = callback

    def linger(self) -> None:
        """See `core.asgi.ClientConnection`."""
        self._closing_after_answers = True
        self.cycle.keep_alive = True  # the header says close; closing at once could reset the answer away

    def abort(self) -> None:
        """See `core.asgi.ClientConnection`."""
        cycle = self._running
        if cycle is None or self.transport.is_closing():
            return
        cycle.disconnected = True
        if cycle.scope["http_version"] == "1.0":
            # The end of the connection is the end of the body there: only a reset shows the cut.
            connection = self.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.transport.abort()
        else:
            self.transport.close()

    # The event loop's side.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_watching_head()
        self.pipeline.clear()
        self._tell_disconnected()

    def data_received(self, data: bytes) -> None:
        if self._discarding:
            return
        self._unset_keepalive_if_required()
        self._received = len(data)
        self._bytes_without_progress += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, ClientError) else BadRequest(f"The request is malformed: {cause}."))
        except httptools.HttpParserError as error:
            self._refuse(BadRequest(f"The request is not valid HTTP: {error}."))
        except httptools.HttpParserUpgrade:
            self.cycle.keep_alive = False
            self._discarding = True
        else:
            self._check_progress()

    def _check_progress(self) -> None:
        if self._bytes_without_progress > self.limits.max_header_bytes:
            self._refuse(HeadersTooLarge("The header section, or the trailers, are too large."))
        elif self._in_head or self.cycle is None or self.cycle.response_complete:
            self._watch_head()
        else:
            self._stop_watching_head()

    def _watch_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.limits.head_timeout, self._head_timed_out)

    def _stop_watching_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_timed_out(self) -> None:
        self._head_timer = None
        if self._in_head:
            self._refuse(RequestTimeout(f"The header section took more than {self.limits.head_timeout:g} s."))
        elif self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    # The parser's side.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]  # an object, not a dictionary
        self._in_head = True
        self._bytes_without_progress = self._received

    def on_url(self, url: bytes) -> None:
        self.url += url
        if len(self.url) > self.limits.max_target:
            raise TargetTooLong(f"The request target is longer than {self.limits.max_target} bytes.")

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._check_size()
        version = self.parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise BadRequest(f"HTTP/{version} is not spoken here.")
        if not _ORIGIN_FORM.fullmatch(self.url):
            self._to_origin_form()
        self._bytes_without_progress = 0
        super().on_headers_complete()
        if version == "1.0":
            self.cycle.send = _CloseDelimited(self.cycle)  # type: ignore[method-assign]  # uvicorn would chunk

    def _check_size(self) -> None:
        limits = self.limits
        if len(self.headers) > limits.max_header_fields:
            raise HeadersTooLarge(f"There are more than {limits.max_header_fields} header fields.")
        if self._bytes_without_progress <= limits.max_header_bytes:
            return  # the usual case, without adding up
        if sum(len(name) + len(value) + 4 for name, value in self.headers) > limits.max_header_bytes:
            raise HeadersTooLarge(f"The header section is larger than {limits.max_header_bytes} bytes.")

    def _to_origin_form(self) -> None:
        if self.parser.get_method() == b"CONNECT":
            raise MethodNotAllowed(list(FORWARDABLE_METHODS))
        absolute = _ABSOLUTE_FORM.fullmatch(self.url)
        if absolute is None:
            raise BadRequest("The request target is neither a path nor an http URL, or holds a character it may not.")
        authority, target = absolute.group(1), absolute.group(2) or b"/"
        self.url = target if target.startswith(b"/") else b"/" + target
        hosts = [pair for pair in self.headers if pair[0] == b"host"]
        if len(hosts) == 1:
            self.headers[self.headers.index(hosts[0])] = (b"host", authority)

    def on_body(self, body: bytes) -> None:
        self._bytes_without_progress = 0
        super().on_body(body)

    # Answers, and refusals.

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        self._disconnected = None
        self._running = None
        last = not self.pipeline
        super().on_response_complete()
        if last and self._closing_after_answers:
            self._close_gently()

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
            self.cycle.disconnected = True
            self._write_refusal(error)
            self._tell_disconnected()
        elif self._running is None:
            self._write_refusal(error)

    def _write_refusal(self, error: ClientError) -> None:
        body = problem_body(error)
        fields = [*problem_headers(body), *error.headers.pairs, (b"connection", b"close")]
        phrase = HTTPStatus(error.status).phrase
        head = f"HTTP/1.1 {error.status} {phrase}\r\n".encode()
        self.transport.write(head + b"".join(b"%b: %b\r\n" % field for field in fields) + b"\r\n" + body)
        self._close_gently()

    def _close_gently(self) -> None:
        """Close for writing, let the client finish sending for a moment, close.

        Closing with unread bytes makes the kernel send a reset, which can destroy the answer
        before the client has read it.
        """
        self._discarding = True
        self._unset_keepalive_if_required()
        if self.transport.is_closing():
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self.loop.call_later(LINGER, self.transport.close)
        else:
            self.transport.close()

    def _tell_disconnected(self) -> None:
        callback, self._disconnected = self._disconnected, None
        if self._running is not None:
            self._running.disconnected = True
            self._running.message_event.set()
        if callback is not None:
            callback()


class _CloseDelimited:
    """`send` for a client of HTTP/1.0: a body of unknown length ends with the connection."""

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._send = cycle.send

    async def __call__(self, message: ASGISendEvent) -> None:
        if message["type"] == "http.response.start":
            self._cycle.chunked_encoding = False
        elif message["type"] == "http.response.body":
            self._cycle.expected_content_length = len(message.get("body", b""))
        await self._send(message)
