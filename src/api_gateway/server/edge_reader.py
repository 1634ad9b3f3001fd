"""Edge reader: what comes from a client, bounded in size and time, until it is a request.

llhttp refuses most malformed bytes. What it leaves to us:

| what comes | what happens |
|---|---|
| request target over the limit | 414 |
| header bytes or fields over the limit, endless trailers or chunk extensions | 431 |
| a header section not complete in time, counted in total (slow loris) | 408 |
| a target that is not a path | 400, or its path (`request_target.py`) |
| another HTTP version, version 0.9 without a version too | 400 |
| trailers | dropped, never added to the headers |
| an `Upgrade` | ignored: the request is answered, what is behind it dropped (`ignored_upgrade.py`) |
| more requests at once than `MAX_PIPELINED` | those are answered, then the connection closes |

Cost: counters; nothing is added up, and no timer is set, for a head that comes in one small piece.

What it does not do: answer. `edge_protocol.py` does, and refuses.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import ClassVar

import httptools
from uvicorn.protocols.http.flow_control import FlowControl

from api_gateway.core.asgi import Scope
from api_gateway.core.errors import BadRequest, ClientError, HeadersTooLarge, RequestTimeout, TargetTooLong
from api_gateway.core.headers import HeaderPairs
from api_gateway.core.lazy_timer import NEVER, LazyTimer
from api_gateway.server.edge_exchange import EdgeExchange
from api_gateway.server.edge_limits import EdgeLimits
from api_gateway.server.edge_scope import EdgeScope
from api_gateway.server.ignored_upgrade import IgnoredUpgradeBody
from api_gateway.server.request_target import ORIGIN_FORM, to_origin_form


class EdgeReader(asyncio.Protocol):
    """The reading half of one client connection."""

    limits: ClassVar[EdgeLimits] = EdgeLimits()

    transport: asyncio.Transport
    flow: FlowControl
    _scope: EdgeScope

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.exchange: EdgeExchange | None = None
        """The exchange whose request was read last."""
        self._parser: httptools.HttpRequestParser | IgnoredUpgradeBody = httptools.HttpRequestParser(self)
        # A request behind `Connection: close` is malformed to llhttp. It is not: it is not answered.
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._target = b""
        self._headers: HeaderPairs = []
        self._expects_continue = False
        self._discarding = False
        self._in_head = self._behind_another = False
        self._received = self._bytes_without_progress = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._idle = LazyTimer(loop, self._close)

    @abstractmethod
    def _arrived(self, exchange: EdgeExchange, scope: Scope) -> None:
        """A request has arrived, but for its body.

        Raises:
            ClientError: it is one too many.
        """

    @abstractmethod
    def _refuse(self, error: ClientError) -> None:
        """Answer a request that never became one, and be done with this connection."""

    @abstractmethod
    def _close(self) -> None:
        """Close when the client has taken what is written."""

    # The event loop's side.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a server's always is
        self.transport = transport
        self._scope = EdgeScope(transport)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._discarding = True
        self._stop_watching_head()

    def data_received(self, data: bytes) -> None:
        if self._discarding:
            return
        self._idle.rest()
        self._received = len(data)
        self._bytes_without_progress += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, ClientError) else BadRequest(f"The request is malformed: {cause}."))
        except httptools.HttpParserError as error:
            self._refuse(BadRequest(f"The request is not valid HTTP: {error}."))
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        else:
            self._check_progress()

    def _ignore_upgrade(self, rest: bytes) -> None:
        assert self.exchange is not None, "the parser stops behind a head"
        self.exchange.keep_alive = False
        if IgnoredUpgradeBody.announced(self.exchange.headers):
            self.exchange.more_body = True
            self._parser = IgnoredUpgradeBody(self, self.exchange.headers)
            self.data_received(rest)
        else:
            self._discarding = True

    def _check_progress(self) -> None:
        if self._bytes_without_progress > self.limits.max_header_bytes:
            if self._in_head and self._behind_another:
                self._behind_another = False
                self._bytes_without_progress = 0  # this read was the tail of something else, for the most part
            else:
                self._refuse(HeadersTooLarge("The header section, or the trailers, are too large."))
        elif self._in_head or self.exchange is None or self.exchange.complete:
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
        if self.flow.read_paused:
            self._watch_head()  # it is we who keep the client waiting
        elif self._in_head:
            self._refuse(RequestTimeout(f"The header section took more than {self.limits.head_timeout:g} s."))
        elif self.exchange is None or self.exchange.complete:
            self._close()

    @property
    def silent_deadline(self) -> float:
        """See `connection_limits.Connection`."""
        return self._head_timer.when() if self._head_timer is not None and not self._received else NEVER

    # The parser's side.

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers = []
        self._expects_continue = False
        self._in_head = True
        self._behind_another = self._bytes_without_progress == 0
        self._bytes_without_progress = self._received

    def on_url(self, url: bytes) -> None:
        self._target += url
        if len(self._target) > self.limits.max_target:
            raise TargetTooLong(f"The request target is longer than {self.limits.max_target} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self._expects_continue = True
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        parser = self._parser
        assert isinstance(parser, httptools.HttpRequestParser), "the other kind reads bodies only"
        self._in_head = False
        headers, self._headers = self._headers, []  # what comes from now on are trailers
        self._check_size(headers)
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise BadRequest(f"HTTP/{version} is not spoken here.")
        method, target = parser.get_method(), self._target
        if not ORIGIN_FORM.fullmatch(target):
            target = to_origin_form(method, target, headers)
        self._bytes_without_progress = 0
        self._begin(method.decode("ascii"), target, version, headers, parser.should_keep_alive())

    def _begin(self, method: str, target: bytes, version: str, headers: HeaderPairs, keep_alive: bool) -> None:
        current = version == "1.1"  # HTTP/1.0 knows neither of the two
        self.exchange = exchange = EdgeExchange(
            self,  # type: ignore[arg-type]  # a reader is always the base of a protocol
            method,
            version,
            headers,
            keep_alive=current and keep_alive,
            expects_continue=current and self._expects_continue,
        )
        self._arrived(exchange, self._scope.for_request(exchange, method, target, version, headers))

    def _check_size(self, headers: HeaderPairs) -> None:
        limits = self.limits
        if len(headers) > limits.max_header_fields:
            raise HeadersTooLarge(f"There are more than {limits.max_header_fields} header fields.")
        if self._bytes_without_progress <= limits.max_header_bytes:
            return  # the usual case, without adding up
        if sum(len(name) + len(value) + 4 for name, value in headers) > limits.max_header_bytes:
            raise HeadersTooLarge(f"The header section is larger than {limits.max_header_bytes} bytes.")

    def on_body(self, body: bytes) -> None:
        self._bytes_without_progress = 0
        if self.exchange is not None:
            self.exchange.feed(body)

    def on_message_complete(self) -> None:
        if self.exchange is not None:
            self.exchange.end_body()
