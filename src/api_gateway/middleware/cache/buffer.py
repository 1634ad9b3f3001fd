"""Cache buffer: the chunks of a body that several read, each at its own place, and the news about them.

Rule: a chunk stays until `drop_until` says that everybody has it. Whoever waits for news has a future of its own, so
that a waiter's cancellation is no one else's.

What it does not do: know where chunks come from, or who reads (`fill.py`).
"""

from __future__ import annotations

import asyncio


class ChunkBuffer:
    """Chunks, and who waits for more."""

    __slots__ = ("_chunks", "_dropped", "_waiting", "size")

    size: int
    """Bytes that were added, kept or not."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._dropped = 0
        self._waiting: set[asyncio.Future[None]] | None = None
        self.size = 0

    @property
    def end(self) -> int:
        """The place behind the last chunk."""
        return self._dropped + len(self._chunks)

    @property
    def held(self) -> int:
        """Bytes that are kept."""
        return sum(map(len, self._chunks))

    def __getitem__(self, place: int) -> bytes:
        return self._chunks[place - self._dropped]

    def add(self, chunk: bytes) -> None:
        """Keep one more."""
        self._chunks.append(chunk)
        self.size += len(chunk)

    def whole(self) -> bytes:
        """All of it, if nothing was dropped."""
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    def drop_until(self, place: int) -> None:
        """Forget the chunks before `place`."""
        if place > self._dropped:
            del self._chunks[: place - self._dropped]
            self._dropped = place
            self.wake()

    async def news(self) -> None:
        """Wait until somebody calls `wake`."""
        if self._waiting is None:  # nobody waits for most bodies but their own reader
            self._waiting = set()
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    def wake(self) -> None:
        """Something has happened: let everybody look."""
        for future in self._waiting or ():
            if not future.done():
                future.set_result(None)
