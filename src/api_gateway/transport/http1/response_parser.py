"""Response parser: bytes from a service become one response, or a doubt.

The grammar is llhttp's, by httptools, in its strict mode: it refuses folded lines, bare CR or LF,
control characters, two lengths, length *and* chunked, and bad chunk sizes. What it leaves to us:

- interim 1xx answers are skipped, a bounded number of them; an unasked 101 is an error, and so is
  one that announces a body, which llhttp would put before the body of the real answer;
- a status outside 200..599 is not an answer (RFC 9110 section 15);
- versions other than 1.0 and 1.1, which llhttp takes, and a transfer coding from 1.0 (RFC 9112 6.1);
- a transfer coding other than chunked is refused: we would pass on bytes we cannot frame;
- the answer to HEAD has no body, whatever its headers say (RFC 9112 6.3); nor has a 204, but one
  that announces a body may well send it, so its connection is not used again;
- header bytes, header count, and bytes that carry no body (trailers, chunk extensions) are bounded;
- bytes behind the end of an answer are `surplus`: the connection must not be used again, or they
  would become somebody else's answer.

Trailers are dropped. Empty lines before a status line are skipped, as llhttp does.
"""

from __future__ import annotations

import httptools

from api_gateway.core.headers import HeaderPairs
from api_gateway.core.upstream_errors import UpstreamProtocolError

MAX_HEAD_BYTES = 64 * 1024
"""Bytes of status line and headers, interim answers included; and of trailers."""
MAX_FIELDS = 256
"""Header fields in one answer."""
MAX_INTERIM = 16
"""Interim (1xx) answers before the real one."""


class ResponseParser:
    """Parses the answers on one connection, one exchange after another."""

    __slots__ = (
        "_bytes_without_body",
        "_head_only",
        "_interim",
        "_interim_count",
        "_parser",
        "_transfer_codings",
        "chunks",
        "complete",
        "headers",
        "keep_alive",
        "status",
        "surplus",
    )

    status: int
    """Status of the answer; 0 until its head is complete."""
    complete: bool
    """Whether the whole message is there."""
    chunks: list[bytes]
    """Body bytes since the last `feed` began."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._head_only = False
        self.expect(head_only=False)

    def expect(self, head_only: bool) -> None:
        """Make ready for the next answer; `head_only` if it answers a HEAD request."""
        if self._head_only:
            # llhttp still waits for the body that HEAD's Content-Length announced: start afresh.
            self._parser = httptools.HttpResponseParser(self)
        self._head_only = head_only
        self._interim = False
        self._interim_count = 0
        self._bytes_without_body = 0
        self._transfer_codings: list[bytes] = []
        self.status = 0
        self.headers: HeaderPairs = []
        self.chunks = []
        self.complete = False
        self.keep_alive = False
        self.surplus = False

    @property
    def started(self) -> bool:
        """Whether any byte of the answer has come."""
        return self.status != 0 or self._bytes_without_body > 0

    def feed(self, data: bytes) -> None:
        """Take in bytes; afterwards look at `status`, `chunks`, `complete`, `surplus`.

        Raises:
            UpstreamProtocolError: this is not a valid answer.
        """
        self.chunks = []
        self._bytes_without_body += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            raise UpstreamProtocolError("the service switched protocols unasked") from None
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, UpstreamProtocolError):
                raise error.__context__ from None
            raise
        except httptools.HttpParserError as error:
            if not self.complete:
                raise UpstreamProtocolError(f"not HTTP: {error}") from None
            self.surplus = True
        if self._head_only and self.complete and not data.endswith(b"\r\n\r\n"):
            self.surplus = True  # the beginning of a body, too little of it for llhttp to report
        if self.chunks:
            self._bytes_without_body = 0
        elif self._bytes_without_body > MAX_HEAD_BYTES and not self.complete:
            raise UpstreamProtocolError(f"more than {MAX_HEAD_BYTES} bytes of headers or trailers")

    # httptools calls these while it parses.

    def on_message_begin(self) -> None:
        if self.complete:
            self.surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.status or self.surplus:
            return  # a trailer
        name = name.lower()
        if name == b"transfer-encoding":
            self._transfer_codings.append(value.rstrip(b" ").lower())  # llhttp does not take a tab for a space
        self.headers.append((name, value.rstrip()))
        if len(self.headers) > MAX_FIELDS:
            raise UpstreamProtocolError(f"more than {MAX_FIELDS} header fields")

    def on_headers_complete(self) -> None:
        if self.surplus:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            self._skip_interim(status)
            return
        if not 200 <= status <= 599:
            raise UpstreamProtocolError(f"status {status} is outside 200 to 599")
        version = self._parser.get_http_version()
        if version != "1.1" and (version != "1.0" or self._transfer_codings):
            raise UpstreamProtocolError(f"HTTP/{version}" + ", chunked" * bool(self._transfer_codings))
        if self._transfer_codings not in ([], [b"chunked"]):
            raise UpstreamProtocolError("a transfer coding other than chunked")
        if self._bytes_without_body > MAX_HEAD_BYTES and self._header_bytes() > MAX_HEAD_BYTES:
            raise UpstreamProtocolError(f"more than {MAX_HEAD_BYTES} bytes of headers")
        self.status = status
        self.keep_alive = self._parser.should_keep_alive() and not (status == 204 and self._framed())
        self.complete = self._head_only

    def on_body(self, body: bytes) -> None:
        if self._head_only or self.surplus:
            self.surplus = True
        else:
            self.chunks.append(body)

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
            self.headers = []
        else:
            if self._head_only and self._transfer_codings:
                self.surplus = True  # chunks, behind an answer that has no body
            self.complete = True

    def _skip_interim(self, status: int) -> None:
        self._interim = True
        self._interim_count += 1
        if status == 101 or self._interim_count > MAX_INTERIM or self._framed():
            raise UpstreamProtocolError(f"interim answer {status}, number {self._interim_count}")

    def ended(self) -> bool:
        """The connection has ended: whether that is a proper end of the answer (RFC 9112 6.3 rule 8)."""
        return self.complete or (self.status != 0 and not self._framed())

    def _header_bytes(self) -> int:
        return sum(len(name) + len(value) for name, value in self.headers)

    def _framed(self) -> bool:
        return any(name in (b"content-length", b"transfer-encoding") for name, _ in self.headers)
