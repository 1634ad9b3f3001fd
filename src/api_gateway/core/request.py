"""Request: what the client asks, as a value.

Rule: frozen. Changing one makes a new one, so a retry, a hedge or a mirror can share the
original. `path` is the percent-encoded path without the query; after the gateway's first step
(`core/canonical_request.py`) it is in the one canonical form that is matched *and* forwarded.

A body is either `bytes`, complete and repeatable, or an asynchronous iterable of chunks, which
can be read once. That is why a streamed upload cannot be retried once reading has begun.

What it does not do: carry anything the gateway found out about the request. That is
`RequestContext`'s part.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator
from typing import NamedTuple, Self, TypeAlias

from api_gateway.core.headers import Headers, HeadersLike

IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""To do one of these twice leaves things as doing it once (RFC 9110 9.2.2)."""

Body: TypeAlias = bytes | AsyncIterable[bytes]
"""Complete bytes, or a stream of chunks that can be read once."""


class _Fields(NamedTuple):
    method: str
    path: str
    query: str
    headers: Headers
    body: Body


class Request(_Fields):
    """One request: method, path, query, headers, body.

    A tuple underneath, because one is made at every step that changes something: a frozen
    dataclass takes three times as long to make.
    """

    __slots__ = ()

    def __new__(cls, method: str, target: str, headers: HeadersLike = (), body: Body = b"") -> Self:
        """Build from a request target such as `/users/42?verbose=1`.

        Raises:
            ValueError: a header name or value is not allowed in HTTP.
        """
        path, _, query = target.partition("?")
        return cls._make((method, path, query, Headers(headers), body))

    @classmethod
    def from_parts(cls, method: str, path: str, query: str, headers: Headers, body: Body) -> Self:
        """Build from parts that a parser has already separated and checked."""
        return tuple.__new__(cls, (method, path, query, headers, body))

    @property
    def target(self) -> str:
        """Path and query as they stand in a request line."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def header(self, name: str) -> str | None:
        """The first value of a header, or None."""
        return self.headers.get(name)

    def with_path(self, path: str) -> Request:
        """This request for another path."""
        return tuple.__new__(Request, (self.method, path, self.query, self.headers, self.body))

    def with_headers(self, headers: Headers) -> Request:
        """This request with other headers."""
        return tuple.__new__(Request, (self.method, self.path, self.query, headers, self.body))

    def with_body(self, body: Body) -> Request:
        """This request with another body; the headers are left as they are."""
        return tuple.__new__(Request, (self.method, self.path, self.query, self.headers, body))

    async def stream(self) -> AsyncIterator[bytes]:
        """The body, chunk by chunk; a stream can be read once."""
        if isinstance(self.body, bytes):
            if self.body:
                yield self.body
        else:
            async for chunk in self.body:
                yield chunk

    async def read(self) -> bytes:
        """The whole body, in memory."""
        if isinstance(self.body, bytes):
            return self.body
        return b"".join([chunk async for chunk in self.body])

    async def json(self) -> object:
        """The body as JSON.

        Raises:
            ValueError: the body is not JSON.
        """
        return json.loads(await self.read())

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.target}>"
