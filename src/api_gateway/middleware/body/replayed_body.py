"""Replayed body: a stream of which something has been read, whole again.

Rule: what was read comes first, then the rest as it comes. Whoever discards it closes the stream behind it.

Bound: what was read.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator


class ReplayedBody:
    """`read`, and then what `rest` still has. `rest` must have begun, or it could not be closed."""

    __slots__ = ("_read", "_rest")

    def __init__(self, read: bytes, rest: AsyncGenerator[bytes, None]) -> None:
        self._read = read
        self._rest = rest

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._read:
            read, self._read = self._read, b""
            return read
        return await anext(self._rest)

    async def aclose(self) -> None:
        """Close the stream behind."""
        self._read = b""
        await self._rest.aclose()
