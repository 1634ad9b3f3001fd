"""Ignored upgrade: the body of a request that asked for another protocol and does not get it.

A server may ignore `Upgrade` and answer as if it had not been asked (RFC 9110 7.8). llhttp does not
know that: it stops at the end of the head and takes the body for the other protocol's first bytes.
A `POST` with `Upgrade: h2c`, which is what Java's HTTP client sends first, would lose its body.

Rule: a second parser is told of a request with the same framing and no `Upgrade`; it reads the
body to its end. Whatever stands behind the body is dropped: it never becomes a request.

What it does not do: grant an upgrade.
"""

from __future__ import annotations

from typing import Protocol

import httptools

from api_gateway.core.headers import HeaderPairs

_FRAMING = (b"content-length", b"transfer-encoding")


class BodyReceiver(Protocol):
    """Who gets the body: the connection."""

    def on_body(self, body: bytes) -> None:
        """Take some of the body."""
        ...

    def on_message_complete(self) -> None:
        """The body is complete."""
        ...


class IgnoredUpgradeBody:
    """Parses one body on behalf of a connection whose own parser has stopped."""

    def __init__(self, receiver: BodyReceiver, headers: HeaderPairs) -> None:
        """Use `announced` first: without a body there is nothing to parse."""
        self._receiver = receiver
        self.complete = False
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(b"POST / HTTP/1.1\r\n" + _framing(headers) + b"\r\n")

    @staticmethod
    def announced(headers: HeaderPairs) -> bool:
        """Whether these headers announce a body."""
        return _framing(headers) != b""

    def feed_data(self, data: bytes) -> None:
        """Take bytes from the client.

        Raises:
            httptools.HttpParserError: the body is malformed.
        """
        if self.complete:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if not self.complete:
                raise

    def should_upgrade(self) -> bool:
        """As the connection's own parser; never again."""
        return False

    # httptools calls these while it parses.

    def on_body(self, body: bytes) -> None:
        if not self.complete:
            self._receiver.on_body(body)

    def on_message_complete(self) -> None:
        if not self.complete:
            self.complete = True
            self._receiver.on_message_complete()


def _framing(headers: HeaderPairs) -> bytes:
    return b"".join(b"%b: %b\r\n" % pair for pair in headers if pair[0] in _FRAMING)
