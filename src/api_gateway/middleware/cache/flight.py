"""Cache flight: many ask for the same at once; one goes to the service, the others learn what becomes of it.

    first    ---- asks ---- head ---- body ----         what the others do, by how it `landed`
    second      `- waits ----|--- same body ---         Shared    read the same body
    third            `-waits-|--- same body ---         Kept      look at the answer that is kept now
                                                        Alone     ask for themselves, all at once
                                                        Failed    use a stale answer, or one goes again
                                                        Vanished  one of them goes again

Rule: the first runs in its own client's task, so a request that nobody joins costs no task. The others wait for the
head only: it tells whether the answer may be shared at all. If it may not, nobody queues behind anybody, and
`known.py` remembers the key for a while so that the next do not even wait. A flight always lands, at the latest
when the first has gone; then the first of the others to wake takes its place, and the rest join that one.

Bound: one future for each that waits. A waiter's departure is no one else's. It waits as long as its own deadline
allows, and after two failures of the service for its sake it is told the second.

What it does not do: run anything. It is auth/single_flight.py without its task, because a cache's waiters need the
head before the work is over.

Source: Go, golang.org/x/sync/singleflight; Varnish, waiting list and hit-for-miss.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple, TypeAlias

from api_gateway.caching.stored_response import SelectingFields, StoredResponse
from api_gateway.caching.vary import agrees
from api_gateway.caching.verdicts import Store
from api_gateway.core.errors import GatewayError
from api_gateway.core.headers import Headers
from api_gateway.middleware.cache.fill import Fill

FlightKey: TypeAlias = tuple[str, SelectingFields]
"""The store's key, and the variant as far as it is known."""


class Shared(NamedTuple):
    """The body is on its way."""

    store: Store
    fill: Fill


class Kept(NamedTuple):
    """This is kept now, and may be used."""

    stored: StoredResponse


class Alone(NamedTuple):
    """The answer is for the one who asked."""


class Failed(NamedTuple):
    """The service failed: it answered with `status`, or the gateway would because of `error`."""

    status: int
    error: GatewayError | None = None


class Vanished(NamedTuple):
    """The one who asked has gone, or something concerned it alone."""


Landing: TypeAlias = Shared | Kept | Alone | Failed | Vanished

ALONE, VANISHED = Alone(), Vanished()


class Flight:
    """One request to the service, and those who wait for its head. `Flights.start` makes it.

    It has no constructor of its own, as that would take more than all that is done with a flight that nobody joins.
    """

    __slots__ = ("flights", "key", "landing", "waiting")

    flights: dict[str, dict[SelectingFields, Flight]]
    """Where it can be found,"""
    key: FlightKey
    """under this."""

    landing: Landing | None
    """What became of it; None while it is under way. `Shared` may turn into another."""
    waiting: set[asyncio.Future[None]] | None
    """Whoever wants to know; None until somebody does."""

    def __len__(self) -> int:
        """How many wait."""
        return len(self.waiting or ())

    def say(self, landing: Landing) -> None:
        """Say what became of it; others may go on joining until `end`."""
        self.landing = landing
        if self.waiting is not None:
            for future in self.waiting:
                if not future.done():
                    future.set_result(None)

    def land(self, landing: Landing) -> None:
        """Say what became of it, for good."""
        self.say(landing)
        self.end()

    def end(self) -> None:
        """Nobody joins it any more."""
        key, selecting = self.key
        variants = self.flights.get(key)
        if variants is not None and variants.get(selecting) is self:
            del variants[selecting]
            if not variants:
                del self.flights[key]

    async def landed(self) -> Landing:
        """What becomes of it, as soon as that is known."""
        if self.waiting is None:  # nobody joins most flights
            self.waiting = set()
        while self.landing is None:
            future = asyncio.get_running_loop().create_future()
            self.waiting.add(future)
            try:
                await future
            finally:
                self.waiting.discard(future)
        return self.landing


class Flights:
    """What is asked of the service now, by key and variant."""

    __slots__ = ("_flights",)

    def __init__(self) -> None:
        self._flights: dict[str, dict[SelectingFields, Flight]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._flights.values()))

    def get(self, key: FlightKey) -> Flight | None:
        """The one to join, if there is one."""
        variants = self._flights.get(key[0])
        return None if variants is None else variants.get(key[1])

    def find(self, key: str, selecting: SelectingFields, headers: Headers) -> tuple[FlightKey, Flight | None]:
        """Where a request belongs whose variant is `selecting` as far as what is kept tells it, and whom it may join.

        Under that; else where the same answer may be under way: for the same variant, named by an answer that is not
        kept yet, or for one that nobody knows yet.
        """
        variants = self._flights.get(key)
        if variants is None:
            return (key, selecting), None
        if selecting not in variants:
            if selecting:
                selecting = () if () in variants else selecting
            else:
                selecting = next((each for each in variants if agrees(each, headers)), ())
        return (key, selecting), variants.get(selecting)

    def start(self, key: FlightKey) -> Flight:
        """A new one; nobody joins another for this key any more."""
        flight = Flight()
        flight.flights, flight.key, flight.landing, flight.waiting = self._flights, key, None, None
        variants = self._flights.get(key[0])
        if variants is None:
            self._flights[key[0]] = {key[1]: flight}
        else:
            variants[key[1]] = flight
        return flight

    def clear(self) -> None:
        """Everything that is under way may be out of date; see `detach`."""
        self._flights.clear()

    def detach(self, key: str) -> None:
        """What was asked for `key` so far may be out of date: whoever comes from now on asks anew."""
        self._flights.pop(key, None)
