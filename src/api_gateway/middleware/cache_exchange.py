"""Cache exchange: one request of a cache on its way to the service, and the flight that others joined because of it.

Rule: a flight that has landed for good ends at once, so that nobody joins it any more; one whose body is on its way,
or is being written to the store, ends when that is over.

What it does not do: ask (`cache_origin.py`).
"""

from __future__ import annotations

from api_gateway.caching.cache_request import CacheRequest
from api_gateway.caching.verdicts import Forward, Store, Validate
from api_gateway.middleware.cache_fill import Fill
from api_gateway.middleware.cache_flight import ALONE, VANISHED, FlightKey, Flights, Kept, Landing, Shared
from api_gateway.middleware.cache_keeper import Keeper
from api_gateway.middleware.cache_known import Known


class Exchange:
    """One request to the service."""

    __slots__ = ("_flight", "_flights", "_key", "asked", "decision")

    asked: CacheRequest
    decision: Validate | Forward

    def __init__(
        self, asked: CacheRequest, decision: Validate | Forward, flights: Flights, key: FlightKey | None
    ) -> None:
        """Others may join it under `key`, if there is one."""
        self.asked = asked
        self.decision = decision
        self._flights = flights
        self._key = key
        self._flight = None if key is None else flights.start(key)

    @property
    def joinable(self) -> bool:
        """Whether others may have joined it."""
        return self._flight is not None

    def land(self, landing: Landing) -> None:
        """Say what became of it, for good."""
        if self._flight is not None:
            self._flight.land(landing)
            self.end()

    def share(self, landing: Shared | Kept) -> None:
        """Say what became of it; others may go on joining until `end`."""
        if self._flight is not None:
            self._flight.land(landing)

    def end(self) -> None:
        """Nobody joins it any more."""
        if self._flight is not None and self._key is not None:
            self._flights.end(self._key, self._flight)

    def abandon(self) -> None:
        """Whatever has happened: if it has not landed, it does."""
        if self._flight is not None and self._flight.landing is None:
            self.land(VANISHED)


class Delivery:
    """Where a body goes that is to be kept: a `cache_fill.Destination`."""

    __slots__ = ("_exchange", "_keeper", "_outcome", "_shared", "_unshared")

    def __init__(self, exchange: Exchange, outcome: Store, keeper: Keeper, unshared: Known, *, shared: bool) -> None:
        """`shared` says whether others may use the answer; `unshared` is told of keys whose answers are too large."""
        self._exchange = exchange
        self._outcome = outcome
        self._keeper = keeper
        self._unshared = unshared
        self._shared = shared

    def began(self, fill: Fill) -> None:
        """The body is on its way."""
        if self._shared:
            self._exchange.share(Shared(self._outcome, fill))
        else:
            self._exchange.land(ALONE)

    async def kept(self, body: bytes) -> None:
        """See `Destination`."""
        stored = self._outcome.complete(body)
        if self._shared:
            self._exchange.share(Kept(stored))
        else:
            self._exchange.land(ALONE)
        await self._keeper.keep(self._exchange.asked.key, stored, self._outcome.lifetime, self._exchange.end)

    def lost(self, *, too_large: bool) -> None:
        """See `Destination`."""
        if too_large and self._exchange.joinable:
            self._unshared.add(self._exchange.asked.key)
        self._exchange.land(ALONE if too_large else VANISHED)
