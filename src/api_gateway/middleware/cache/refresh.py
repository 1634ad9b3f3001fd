"""Cache refresh: an answer is fetched anew in the background while the old one is still being used.

Rule: one at a time for a key and variant, by whoever it was that asked; others get what is kept. The request has a
context of its own, with a deadline and without a client: nobody's leaving ends it. It asks for the whole, without the
conditions or ranges of the client that set it off. While it runs, whoever does have to wait may join it.

Bound: as many at once as `Background` has room for; where there is none, a later request will find it just as stale.
Cost: a task and a copy of the context, in the request that sets it off.

What it does not do: say when (`caching/decision.py`, `early_refresh.py`), or try again.
"""

from __future__ import annotations

import asyncio

from api_gateway.caching.cache_request import CacheRequest
from api_gateway.caching.decision import refresh
from api_gateway.caching.stored_response import StoredResponse
from api_gateway.core.clock import NANOSECONDS, Clock
from api_gateway.core.errors import GatewayError
from api_gateway.core.middleware import Handler
from api_gateway.core.request_context import RequestContext
from api_gateway.middleware.cache.background import Background
from api_gateway.middleware.cache.counts import CacheCounts
from api_gateway.middleware.cache.fill import Reader
from api_gateway.middleware.cache.flight import FlightKey, Flights
from api_gateway.middleware.cache.origin import Origin


class Refresher:
    """Refreshes for one cache."""

    __slots__ = ("_background", "_clock", "_counts", "_flights", "_origin", "_seconds", "_under_way")

    def __init__(
        self,
        origin: Origin,
        flights: Flights,
        background: Background,
        clock: Clock,
        seconds: float,
        counts: CacheCounts,
    ) -> None:
        """Each may take so many `seconds`."""
        self._origin = origin
        self._flights = flights
        self._background = background
        self._clock = clock
        self._seconds = seconds
        self._counts = counts
        self._under_way: set[FlightKey] = set()

    def refresh(self, asked: CacheRequest, stored: StoredResponse, context: RequestContext, call_next: Handler) -> None:
        """Fetch `stored` anew, unless somebody does already or there is no room."""
        key = asked.key, stored.selecting
        if key in self._under_way or self._flights.get(key) is not None or not self._background.has_room():
            return
        own = context.fork()
        own.started = self._clock.monotonic()
        own.deadline = own.started + round(self._seconds * NANOSECONDS)
        own.attempts = own.upstream_duration = 0
        own.tried = ()
        self._under_way.add(key)
        self._counts.refreshes += 1
        work = self._run(key, asked, stored, own, call_next)
        self._background.start(work, "cache refresh", optional=True)

    async def _run(
        self, key: FlightKey, asked: CacheRequest, stored: StoredResponse, context: RequestContext, call_next: Handler
    ) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                if self._flights.get(key) is None and not await self._fetched(key, asked, stored, context, call_next):
                    self._counts.refresh_failures += 1
        except (GatewayError, TimeoutError):
            self._counts.refresh_failures += 1
        finally:
            self._under_way.discard(key)

    async def _fetched(
        self, key: FlightKey, asked: CacheRequest, stored: StoredResponse, context: RequestContext, call_next: Handler
    ) -> bool:
        whole, decision = refresh(asked, stored)
        response, result = await self._origin.ask(whole, decision, context, call_next, key)
        try:
            if isinstance(response.body, Reader):  # read to its end, it is kept; any other nobody wants
                async for _ in response.body:
                    pass
        finally:
            await response.close()
        return result != "stale" and response.status < 500
