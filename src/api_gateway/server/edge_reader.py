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
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from api_gateway.core.errors import BadRequest, ClientError, HeadersTooLarge, RequestTimeout, TargetTooLong
from api_gateway.server.close_delimited import CloseDelimitedSend
from api_gateway.server.ignored_upgrade import IgnoredUpgradeBody
from api_gateway.server.request_target import ORIGIN_FORM, to_origin_form

MAX_PIPELINED = 32
"""Requests that may wait on one connection: 256 KiB, one read, could hold 10,000 of them."""


@dataclass(frozen=True, slots=True)
class EdgeLimits:
    """What one request's head may take, and how long a client may keep its answer waiting."""

    max_target: int = 8 * 1024
    """Bytes of path and query."""
    max_header_bytes: int = 32 * 1024
    """Bytes of the header section; also of trailers."""
    max_header_fields: int = 100
    head_timeout: float = 10.0
    """Seconds from the first byte (or the connection's start) to the end of the header section."""
    send_timeout: float = 60.0
    """Seconds for which a client may take not one byte of what waits for it."""


class EdgeReader(HttpToolsProtocol):
    """The reading half of one client connection."""

    limits: ClassVar[EdgeLimits] = EdgeLimits()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._extensions: dict[str, object] = {}
        self._discarding = False
        self._in_head = self._behind_another = False
        self._received = self._bytes_without_progress = 0
        self._head_timer: asyncio.TimerHandle | None = None

    @abstractmethod
    def _refuse(self, error: ClientError) -> None:
        """Answer a request that never became one, and be done with this connection."""

    @abstractmethod
    def _busy(self) -> bool:
        """Whether a request is running, so that the next must wait."""

    @abstractmethod
    def _close(self) -> None:
        """Close when the client has taken what is written."""

    # The event loop's side.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_watching_head()

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
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        else:
            self._check_progress()

    def _ignore_upgrade(self, rest: bytes) -> None:
        self.cycle.keep_alive = False
        headers = list(self.cycle.scope["headers"])
        if IgnoredUpgradeBody.announced(headers):
            self.cycle.more_body = True
            self.parser = IgnoredUpgradeBody(self, headers)  # type: ignore[assignment]  # as much of a parser as is used
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
        if self.flow.read_paused:
            self._watch_head()  # it is we who keep the client waiting
        elif self._in_head:
            self._refuse(RequestTimeout(f"The header section took more than {self.limits.head_timeout:g} s."))
        elif self.cycle is None or self.cycle.response_complete:
            self._close()

    # The parser's side.

    def _should_upgrade(self) -> bool:
        return False

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]  # an object, not a dictionary
        self._in_head = True
        self._behind_another = self._bytes_without_progress == 0
        self._bytes_without_progress = self._received

    def on_url(self, url: bytes) -> None:
        self.url += url
        if len(self.url) > self.limits.max_target:
            raise TargetTooLong(f"The request target is longer than {self.limits.max_target} bytes.")

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._check_size()
        version = self.parser.get_http_version()
        if version != "1.1":
            if version != "1.0":
                raise BadRequest(f"HTTP/{version} is not spoken here.")
            self.expect_100_continue = False
        if not ORIGIN_FORM.fullmatch(self.url):
            self.url = to_origin_form(self.parser.get_method(), self.url, self.headers)
        self._bytes_without_progress = 0
        self._begin_request(version)
        self.headers = []  # what comes now are trailers
        if version == "1.0":
            self.cycle.send = CloseDelimitedSend(self.cycle)  # type: ignore[method-assign]  # uvicorn would chunk
        if self.pipeline:
            self.flow.resume_reading()  # while reading is paused, nobody notices that the client leaves
            if len(self.pipeline) > MAX_PIPELINED:
                raise BadRequest(f"More than {MAX_PIPELINED} requests wait on this connection.")

    def _begin_request(self, version: str) -> None:
        """Uvicorn's `on_headers_complete`, without parsing a URL that is known to be a path."""
        path, _, query = self.url.partition(b"?")
        scope = self.scope
        scope["http_version"] = version
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["raw_path"] = path
        scope["path"] = unquote(path.decode("ascii")) if b"%" in path else path.decode("ascii")
        scope["query_string"] = query
        self.cycle = RequestResponseCycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version == "1.1" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if self._busy():
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))
        else:
            self._start_asgi_task(self.cycle, self.app)

    def _check_size(self) -> None:
        limits = self.limits
        if len(self.headers) > limits.max_header_fields:
            raise HeadersTooLarge(f"There are more than {limits.max_header_fields} header fields.")
        if self._bytes_without_progress <= limits.max_header_bytes:
            return  # the usual case, without adding up
        if sum(len(name) + len(value) + 4 for name, value in self.headers) > limits.max_header_bytes:
            raise HeadersTooLarge(f"The header section is larger than {limits.max_header_bytes} bytes.")

    def on_body(self, body: bytes) -> None:
        self._bytes_without_progress = 0
        super().on_body(body)
