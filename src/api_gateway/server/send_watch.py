"""Send watch: ends the connection of a client that has stopped taking its answer.

A client that asks for much and reads nothing (a "slow read") would otherwise keep an upstream
connection, a slot and the buffers between for as long as it likes.

Rule: when the write buffer is full, look at it once in each `seconds`. If it has not shrunk by a
byte since the last look, abort. A slow client that goes on reading is left alone.

Cost: nothing until a buffer is full.
"""

from __future__ import annotations

import asyncio


class SendWatch:
    """Watches the write buffer of one connection."""

    __slots__ = ("_loop", "_seconds", "_timer", "_transport", "_unsent")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._transport = transport
        self._loop = loop
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._unsent = 0

    def start(self) -> None:
        """The buffer is full: begin to look, unless that has begun."""
        if self._timer is None:
            self._unsent = self._transport.get_write_buffer_size()
            self._timer = self._loop.call_later(self._seconds, self._look)

    def stop(self) -> None:
        """There is room again, or the connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """Close the connection when the client has taken what is written, or has stopped taking it."""
        if not self._transport.is_closing():
            if self._transport.get_write_buffer_size():
                self.start()
            self._transport.close()

    def _look(self) -> None:
        self._timer = None
        unsent = self._transport.get_write_buffer_size()
        if unsent < self._unsent:
            self.start()
        else:
            self._transport.abort()
