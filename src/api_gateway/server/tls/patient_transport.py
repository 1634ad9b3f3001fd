"""Patient transport: ends a TLS connection without losing what a slow client has not taken yet.

To end one, event loops send `close_notify` and wait for the client's. They give flushing and waiting one time
limit: short, and a slow download is cut; long, and clients that never answer (many an idle pool does not even
look) hold up a drain. Here the two are told apart: after `FAREWELL` seconds without anything left to flush the
connection is dropped.

Rule: writes go out in pieces. Of one big write, the TLS layer passes everything on to the layer below, where its
size cannot be seen; of pieces it keeps back what that layer has no room for. So what `get_write_buffer_size` says
is true but for some 200 KiB, and whoever watches it for progress (`send_watch.py`) sees some.

Cost: a timer for each connection that ends; nothing for a write of up to `PIECE` bytes.
"""

from __future__ import annotations

import asyncio

PIECE = 64 * 1024
"""Bytes of one write to the layer below."""
FAREWELL = 4.0
"""Seconds that a client may take to confirm the end, and to take the last 200 KiB."""


class PatientTransport(asyncio.Transport):
    """A TLS transport of the event loop."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._farewell: asyncio.TimerHandle | None = None
        self._flushed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if len(data) <= PIECE:
            self._transport.write(data)
            return
        whole = memoryview(data)
        for start in range(0, len(whole), PIECE):
            self._transport.write(whole[start : start + PIECE])

    def close(self) -> None:
        if self._farewell is None:
            self._flushed = not self._transport.get_write_buffer_size()
            self._farewell = self._loop.call_later(FAREWELL, self._look)
        self._transport.close()

    def ended(self) -> None:
        """The connection is lost: nothing more to wait for."""
        if self._farewell is not None:
            self._farewell.cancel()

    def _look(self) -> None:
        was_flushed, self._flushed = self._flushed, not self._transport.get_write_buffer_size()
        if was_flushed and self._flushed:
            self._transport.abort()
        else:
            self._farewell = self._loop.call_later(FAREWELL, self._look)

    # As the event loop's.

    def abort(self) -> None:
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._transport.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def can_write_eof(self) -> bool:
        return self._transport.can_write_eof()
