"""Body rate: a client may send slowly, but not so slowly that it only keeps a place.

A total time for a body is either too short for a large upload or too long for an attack. A longest pause (30 s,
`core/asgi.py`) alone lets one byte in each 30 s hold a connection, and often a service's, for days.

Rule: the gateway waits for a body for at most `grace` seconds, and a second more for each `minimum` bytes that have
come. Only waiting counts: while a slow service keeps the gateway from reading, no time passes here. Who is slower
gets a 408.

Bound: the average over the whole body. Bytes sent fast buy time to be slow later, at the price that being slow has.

Cost: nothing for a body that is there when it is asked for; else a timer for each wait.

Source: Apache mod_reqtimeout, `body=10,MinRate=256`; Kestrel, MinRequestBodyDataRate.
"""

from __future__ import annotations

import asyncio

from api_gateway.core.errors import RequestTimeout


class BodyRate:
    """How long the gateway has waited for one body."""

    __slots__ = ("_grace", "_loop", "_minimum", "_waited")

    def __init__(self, loop: asyncio.AbstractEventLoop, minimum: float, grace: float) -> None:
        """`minimum` is in bytes a second, `grace` in seconds."""
        self._loop = loop
        self._minimum = minimum
        self._grace = grace
        self._waited = 0.0

    async def wait(self, more: asyncio.Future[None], received: int) -> None:
        """Wait for `more`, after `received` bytes in all.

        Raises:
            RequestTimeout: the client is too slow.
        """
        began = self._loop.time()
        patience = self._grace + received / self._minimum - self._waited
        timer = self._loop.call_later(max(patience, 0.0), self._give_up, more)
        try:
            await more
        finally:
            timer.cancel()
            self._waited += self._loop.time() - began

    def _give_up(self, more: asyncio.Future[None]) -> None:
        if not more.done():
            detail = f"The request body came more slowly than {self._minimum:g} bytes a second."
            more.set_exception(RequestTimeout(detail))
