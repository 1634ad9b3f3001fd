"""The fix: the work has a task of its own, which belongs to nobody; all who want it wait beside it.

Why: work that runs in the first one's task ends with the first one. And a future that several await is cancelled for
all when one of them is: `asyncio.wait` waits without cancelling. (`shield` would do, too, but complains aloud of errors
that come when its waiter has gone.) The entry goes when the task is done, by whatever way, so a failure is told to
those who waited for it and to nobody else. The last one to leave cancels the work: nobody would take the result, and if
it hangs, it must not keep the key for ever.

What it costs: a task for each fetch, and that all who wait share one failure, one slowness and one error object. A
thousand then fail together, where without it some would have got through; a timeout on the fetch itself belongs here.
And what is fetched must be the same for all: with an answer for one user the key must say whose.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """One fetch at a time for each key. Nothing is kept afterwards: that is a cache's part."""

    def __init__(self) -> None:
        self._flights: dict[str, asyncio.Task[T]] = {}
        self._waiting: dict[asyncio.Task[T], int] = {}

    async def do(self, key: str, fetch: Callable[[], Awaitable[T]]) -> T:
        """What `fetch` returns, or raises; called only if nobody fetches `key` already."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.ensure_future(_run(fetch))
        self._waiting[flight] = self._waiting.get(flight, 0) + 1
        try:
            await asyncio.wait([flight])
            return flight.result()
        finally:
            self._waiting[flight] -= 1
            if not self._waiting[flight] or flight.done():
                if self._flights.get(key) is flight:
                    del self._flights[key]
                flight.cancel()
            if not self._waiting[flight]:
                del self._waiting[flight]


async def _run(fetch: Callable[[], Awaitable[T]]) -> T:
    return await fetch()
