"""Response: the answer, and the owner of what it took to make it.

Rule: whoever holds a response either sends it to its end or closes it. Slots, timers, in-flight
counts and connections hang on it through `on_close`; freeing them in a `finally` around
`call_next` would free them too early, because `call_next` returns when the *head* is there and
the body may stream for hours afterwards.

A body is either `bytes`, complete, or an asynchronous iterator. An error while iterating means
that the rest is lost: the home must then cut the client's connection, never fake a clean end.

What it does not do: frame itself. Content-Length against chunked is the home's decision.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

from api_gateway.core.headers import Headers, HeadersLike
from api_gateway.core.request import Body

CloseCallback: TypeAlias = Callable[[], None]


class Response:
    """Status, headers, body, and what to free when it is done with."""

    __slots__ = ("_callbacks", "_closed", "_stream", "body", "bytes_sent", "complete", "failure", "headers", "status")

    status: int
    headers: Headers
    body: Body
    bytes_sent: int
    """Body bytes handed on so far."""
    complete: bool
    """Whether the body was handed on to its end."""
    failure: Exception | None
    """What ended the body early, if something inside the gateway or behind it did."""

    def __init__(self, status: int = 200, headers: HeadersLike = (), body: Body = b"") -> None:
        self.status = status
        self.headers = headers if isinstance(headers, Headers) else Headers(headers)
        self.body = body
        self.bytes_sent = 0
        self.complete = False
        self.failure = None
        self._callbacks: list[CloseCallback] | None = None
        self._closed = False
        self._stream: AsyncIterator[bytes] | None = None

    @classmethod
    def json(cls, value: object, status: int = 200, headers: HeadersLike = ()) -> Response:
        """A response with `value` as its JSON body.

        Raises:
            TypeError: `value` cannot be written as JSON.
        """
        return cls._typed(json.dumps(value, ensure_ascii=False).encode(), "application/json", status, headers)

    @classmethod
    def text(cls, text: str, status: int = 200, headers: HeadersLike = ()) -> Response:
        """A response with a UTF-8 text body."""
        return cls._typed(text.encode(), "text/plain; charset=utf-8", status, headers)

    @classmethod
    def _typed(cls, body: bytes, content_type: str, status: int, headers: HeadersLike) -> Response:
        fields = Headers(headers).setting("content-type", content_type).setting("content-length", str(len(body)))
        return cls(status, fields, body)

    def header(self, name: str) -> str | None:
        """The first value of a header, or None."""
        return self.headers.get(name)

    def on_close(self, callback: CloseCallback) -> None:
        """Call `callback` once, when this response is finished or discarded; last added, first called."""
        if self._closed:
            callback()
        elif self._callbacks is None:
            self._callbacks = [callback]
        else:
            self._callbacks.append(callback)

    @property
    def held(self) -> bool:
        """Whether anything waits for this response to be closed."""
        return not self._closed and (self._callbacks is not None or not isinstance(self.body, bytes))

    async def stream(self) -> AsyncIterator[bytes]:
        """The body, chunk by chunk; closes the response at the end, or when iteration fails or stops.

        Raises:
            RuntimeError: the body is a stream, and was read or discarded before.
        """
        if self._closed and not isinstance(self.body, bytes):
            raise RuntimeError("this response was streamed or discarded before: its body is gone")
        try:
            if isinstance(self.body, bytes):
                if self.body:
                    self.bytes_sent = len(self.body)
                    yield self.body
            else:
                self._stream = aiter(self.body)
                async for chunk in self._stream:
                    self.bytes_sent += len(chunk)
                    yield chunk
            self.complete = True
        except Exception as error:
            self.failure = error
            raise
        finally:
            await self.close()

    async def read(self) -> bytes:
        """The whole body in memory; closes the response."""
        body = self.body
        if not isinstance(body, bytes):
            return b"".join([chunk async for chunk in self.stream()])
        # A generator for what is there already would be 1 us of the 43 that a simulated request takes.
        self.bytes_sent, self.complete = len(body), True
        await self.close()
        return body

    async def close(self) -> None:
        """Free everything this response holds. Safe to call more than once."""
        if self._closed:
            return
        self._closed = True
        body = self._stream if self._stream is not None else self.body
        try:
            if not isinstance(body, bytes):
                close_body = getattr(body, "aclose", None)
                if close_body is not None:
                    await close_body()
        finally:
            callbacks, self._callbacks = self._callbacks, None
            if callbacks:
                _call_all(callbacks)

    def __repr__(self) -> str:
        size = f"{len(self.body)} bytes" if isinstance(self.body, bytes) else "streamed"
        return f"<Response {self.status} {size}>"


def _call_all(callbacks: list[CloseCallback]) -> None:
    """Last added first; one that raises does not keep the others from being called."""
    try:
        while callbacks:
            callbacks.pop()()
    finally:
        if callbacks:
            _call_all(callbacks)
