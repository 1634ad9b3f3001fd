"""Repeatable: which requests may be sent more than once.

Rule: a method is idempotent if doing it twice leaves things as doing it once (RFC 9110 9.2.2). A body may be sent
again if it is complete in memory; a stream only while nobody has begun to read it, which `UntouchedBody` tells.

What it does not do: know the service. One whose GET has effects has given a promise that it does not keep.

Source: RFC 9110 sections 9.2.1 and 9.2.2.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator


class UntouchedBody:
    """A streamed body that remembers whether anybody has asked for its first chunk."""

    __slots__ = ("_body", "_chunks", "touched")

    def __init__(self, body: AsyncIterable[bytes]) -> None:
        self._body = body
        self._chunks: AsyncIterator[bytes] | None = None
        self.touched = False

    def __aiter__(self) -> UntouchedBody:
        return self

    async def __anext__(self) -> bytes:
        if self._chunks is None:
            self.touched = True
            self._chunks = aiter(self._body)
        return await anext(self._chunks)
