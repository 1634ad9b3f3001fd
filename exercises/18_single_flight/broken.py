"""Single flight: when many want the same, one fetches it and the others wait for the result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """One fetch at a time for each key. Nothing is kept afterwards: that is a cache's part."""

    def __init__(self) -> None:
        self._flights: dict[str, asyncio.Future[T]] = {}

    async def do(self, key: str, fetch: Callable[[], Awaitable[T]]) -> T:
        """What `fetch` returns, or raises; called only if nobody fetches `key` already."""
        flight = self._flights.get(key)
        if flight is not None:
            return await flight
        flight = self._flights[key] = asyncio.get_running_loop().create_future()
        result = await fetch()
        flight.set_result(result)
        del self._flights[key]
        return result
