"""Cache: answers are kept and used again; whoever asks for the same at the same time asks the service once.

    request -> look up -> decide -> Serve           hit or stale; perhaps refreshed in the background
                             |----> Unsatisfiable   504
                             `----> Validate, Forward -> flight -> service -> after the answer -> tee -> client, store

Rule: what may be kept, used or shared is decided by pure functions (`caching/`); here it is done. A body streams to
its client while it is collected (`fill.py`) and is kept when its end has come. Requests for the same that may
share an answer join one flight (`flight.py`); an answer that may not be shared lets all go at once, and for
`HIT_FOR_MISS` seconds nobody waits for that key. A client that leaves in the middle of a body takes the fill with it
unless others read it, too. A store that is down is a miss (`keeper.py`).

Bound: `max_body` bytes for each body under way; `refreshes` requests at once in the background, each with
`refresh_timeout` seconds. At most one request a key and variant at a time reaches the service for what can be shared.
Cost: a hit 4 us; a miss that is kept 20 to 25 us, twice that if its body streams; one that is not kept 10 us (`make
bench`, cache: eight request fields and six of the answer, on processors shared with other work). Of the 20, reading the
request takes 1, judging the answer 2, the memory store 2, and the collector of garbage 3: what is kept is new to it.

What it does not do: know callers (`core/identity.py`, and the key), routes, or which store it is.

Source: RFC 9111, RFC 9211, RFC 5861.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from random import Random

from api_gateway.caching.after_answer import after_failure
from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.caching.cache_request import CacheRequest, cache_request
from api_gateway.caching.cache_status import forwarded, labelled
from api_gateway.caching.cache_store import CacheStore
from api_gateway.caching.decision import decide
from api_gateway.caching.stored_response import StoredResponse
from api_gateway.caching.vary import agrees, selecting_fields
from api_gateway.caching.verdicts import Forward, Serve, Unsatisfiable, Validate
from api_gateway.core.clock import Clock, SystemClock
from api_gateway.core.errors import GatewayError
from api_gateway.core.headers import Headers
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.xray.facts import Facts
from api_gateway.middleware.cache.background import Background
from api_gateway.middleware.cache.counts import CacheCounts
from api_gateway.middleware.cache.facts import cache_facts
from api_gateway.middleware.cache.flight import Alone, Failed, Flight, FlightKey, Flights, Kept, Landing, Shared
from api_gateway.middleware.cache.keeper import Keeper
from api_gateway.middleware.cache.origin import NotCached, Origin, cached_answer
from api_gateway.middleware.cache.purge import Purge
from api_gateway.middleware.cache.refresh import Refresher

_FLIGHTS = 2
"""Failures of the service that a request waits for before it is told."""


class CacheMiddleware:
    """A shared cache in front of whatever stands behind it."""

    __slots__ = ("_background", "_flights", "_origin", "_policy", "_random", "_refresher", "_wall", "counts", "keeper")

    counts: CacheCounts
    """What became of requests."""
    keeper: Keeper
    """What it keeps; for metrics."""

    def __init__(
        self,
        store: CacheStore,
        policy: CachePolicy | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
        *,
        max_body: int = 2**20,
        refreshes: int = 64,
        refresh_timeout: float = 30.0,
    ) -> None:
        """Keep answers in `store`, which is not closed with this, as several may share it.

        Args:
            store: where answers are kept.
            policy: what the operator vouches for; the standard's own rules unless given.
            clock: tells the time.
            random: rolls the dice of early refreshes.
            max_body: bytes of the largest body that is kept.
            refreshes: how many run at once in the background.
            refresh_timeout: seconds for one of them.

        Raises:
            ValueError: a number is not positive.
        """
        if max_body <= 0 or refreshes <= 0 or refresh_timeout <= 0:
            raise ValueError("max_body, refreshes and refresh_timeout must be positive")
        clock = clock or SystemClock()
        self._policy = policy or CachePolicy()
        self._random = random or Random()
        self._wall = clock.wall
        self._background = Background(refreshes)
        self._flights = Flights()
        self.keeper = Keeper(store, clock, self._background)
        self.counts = CacheCounts()
        self._origin = Origin(self._policy, clock, self.keeper, self._flights, self._background, max_body)
        self._refresher = Refresher(self._origin, self._flights, self._background, clock, refresh_timeout, self.counts)

    @property
    def flights(self) -> int:
        """Answers that others could join now."""
        return len(self._flights)

    @property
    def background(self) -> int:
        """Tasks beside the requests."""
        return len(self._background)

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Answer from the cache, or through it.

        Raises:
            NotCached: the client wants no more than what is cached.
        """
        asked = cache_request(request, context.scheme, context.identity, self._policy)
        variants: Sequence[StoredResponse] = ()
        if asked.bypass is None:
            nearby = self.keeper.nearby
            variants = nearby.find(asked.key) if nearby is not None else await self.keeper.look_up(asked.key)
        decision = decide(asked, variants, self._wall(), self._policy, self._random)
        if isinstance(decision, Serve):
            self.counts.requests["stale" if decision.stale else "hit"] += 1
            if decision.refresh:
                self._refresher.refresh(asked, decision.stored, context, call_next)
            return cached_answer(decision)
        if isinstance(decision, Unsatisfiable):
            self.counts.add("error")
            entry = forwarded(self._policy.name, decision.reason, detail="only-if-cached")
            raise NotCached(headers=Headers([("cache-status", entry)]))
        key: FlightKey | None = None
        if decision.collapsible and self._origin.unshared.since(asked.key) is None:
            names = variants[0].selecting if variants else ()
            selecting = selecting_fields(tuple([name for name, _ in names]), request.headers) if names else ()
            key, flight = self._flights.find(asked.key, selecting, request.headers)
            if flight is not None:
                response, key = await self._together(key, asked, decision)
                if response is not None:
                    return response
        try:
            response, result = await self._origin.ask(asked, decision, context, call_next, key)
        except GatewayError:
            self.counts.add("bypass" if asked.bypass is not None else "error")
            raise
        self.counts.requests[result] += 1
        return response

    async def state_for(self, request: Request, context: RequestContext) -> Facts:
        """What is kept for it, looked at without a trace."""
        return await cache_facts(self.keeper.store, self._flights, self._policy, self._wall(), request, context)

    async def _together(
        self, key: FlightKey, asked: CacheRequest, decision: Validate | Forward
    ) -> tuple[Response | None, FlightKey | None]:
        """Join the flight for `key`: the answer, or else under what to ask the service; alone without a key."""
        failures = 0
        while True:
            flight = self._flights.get(key)
            if flight is None:
                return None, key
            landing = flight.landing or await flight.landed()
            if isinstance(landing, Failed):
                failures += landing.error is not None
                answer = self._failed(landing, failures, asked, decision)
                if answer is not None or landing.error is None:
                    return answer, None
            elif isinstance(landing, Shared | Kept):
                head = landing.stored if isinstance(landing, Kept) else landing.store.head
                if not agrees(head.selecting, asked.request.headers):
                    names = tuple([name for name, _ in head.selecting])
                    variant = asked.key, selecting_fields(names, asked.request.headers)
                    if variant == key:
                        return None, None
                    key = variant
                    continue
                response = await self._joined(flight, landing, asked, decision)
                if response is not None:
                    self.counts.add("collapsed")
                    return response, None
                if flight.landing is landing or isinstance(flight.landing, Alone):
                    return None, None
            elif isinstance(landing, Alone):
                return None, None

    async def _joined(
        self, flight: Flight, landing: Shared | Kept, asked: CacheRequest, decision: Validate | Forward
    ) -> Response | None:
        """The answer of `flight` for this request, too; None if it is not for it, or cannot be had any more."""
        stored = landing.stored if isinstance(landing, Kept) else landing.store.head
        serve = decide(asked, (stored,), self._wall(), self._policy, self._random)
        if not isinstance(serve, Serve) or serve.stale:
            return None
        serve = labelled(serve, forwarded(self._policy.name, decision.reason, collapsed=True))
        response = cached_answer(serve)
        if isinstance(landing, Shared) and serve.status == landing.store.head.status:
            reader = await landing.fill.join()
            if reader is None:
                kept: Landing | None = flight.landing
                return await self._joined(flight, kept, asked, decision) if isinstance(kept, Kept) else None
            response.body = reader
        return response

    def _failed(
        self, landing: Failed, failures: int, asked: CacheRequest, decision: Validate | Forward
    ) -> Response | None:
        """What a failure of the service means for one who waited: an answer, its own try (None), or the error."""
        serve = after_failure(asked, decision, landing.status, self._wall(), self._policy)
        if serve is not None:
            self.counts.add("stale")
            return cached_answer(serve)
        if landing.error is not None and failures >= _FLIGHTS:
            self.counts.add("error")
            raise copy(landing.error)  # one object for all would gather everybody's traceback
        return None

    async def purge(self, what: Purge) -> int:
        """Forget `what`, and what of it is on its way here; how many answers were kept.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        self._flights.clear()
        policy = self._policy
        return await self.keeper.purge(keys=what.keys(policy), prefix=what.prefix, tags=what.tags(policy))

    async def close(self) -> None:
        """End what goes on in the background."""
        await self._background.close()
