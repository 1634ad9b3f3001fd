"""Cache delivery: a streamed body on its way into the store, and the flight that others joined because of it.

Rule: while the body is on its way others may join, if they may use the answer at all; the flight ends when the body is
kept, or lost.

What it does not do: read the body (`fill.py`).
"""

from __future__ import annotations

from api_gateway.caching.verdicts import Store
from api_gateway.middleware.cache.fill import Fill
from api_gateway.middleware.cache.flight import ALONE, VANISHED, Flight, Kept, Shared
from api_gateway.middleware.cache.keeper import Keeper
from api_gateway.middleware.cache.known import Known


class Delivery:
    """Where a body goes that is to be kept: a `cache_fill.Destination`."""

    __slots__ = ("_flight", "_keeper", "_key", "_outcome", "_unshared")

    def __init__(self, key: str, flight: Flight | None, outcome: Store, keeper: Keeper, unshared: Known) -> None:
        """`unshared` is told of keys whose answers are too large."""
        self._key = key
        self._flight = flight
        self._outcome = outcome
        self._keeper = keeper
        self._unshared = unshared

    def began(self, fill: Fill) -> None:
        """The body is on its way."""
        if self._flight is not None:
            if self._outcome.shareable:
                self._flight.say(Shared(self._outcome, fill))
            else:
                self._flight.land(ALONE)

    def kept(self, body: bytes) -> None:
        """See `Destination`."""
        stored = self._outcome.complete(body)
        flight = self._flight
        if flight is not None and self._outcome.shareable:
            flight.say(Kept(stored))
        self._keeper.keep(self._key, stored, self._outcome.lifetime, None if flight is None else flight.end)

    def lost(self, *, too_large: bool) -> None:
        """See `Destination`."""
        if self._flight is not None:
            if too_large:
                self._unshared.add(self._key)
            self._flight.land(ALONE if too_large else VANISHED)
