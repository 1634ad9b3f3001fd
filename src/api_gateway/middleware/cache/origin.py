"""Cache origin: what happens when a cache's request goes to the service, from its answer to what is kept.

Rule: one answer, one outcome (`caching/after_answer.py`), done here: a body that streams is teed, a 304 becomes the
stored answer, what a change made untrue is forgotten, a failure gives way to a stale answer. Where others wait, the
flight lands as soon as the head tells what is theirs; it lands in any case. An answer that is not handed on is closed.

What it does not do: look into the store before asking, or join anybody's flight (`cache_middleware.py`).
"""

from __future__ import annotations

from dataclasses import replace

from api_gateway.caching.after_answer import after_answer, after_failure
from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.caching.cache_request import CacheRequest
from api_gateway.caching.cache_status import CACHE_STATUS, forwarded
from api_gateway.caching.storability import TAG_FIELDS
from api_gateway.caching.stored_response import StoredResponse
from api_gateway.caching.verdicts import Forward, Invalidate, Merge, Nothing, Refetch, Serve, Store, Validate
from api_gateway.core.clock import Clock
from api_gateway.core.errors import ClientError, GatewayError
from api_gateway.core.headers import Headers
from api_gateway.core.middleware import Handler
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.middleware.cache.background import Background
from api_gateway.middleware.cache.counts import Result
from api_gateway.middleware.cache.delivery import Delivery
from api_gateway.middleware.cache.fill import Fill
from api_gateway.middleware.cache.flight import ALONE, VANISHED, Failed, Flight, FlightKey, Flights, Kept
from api_gateway.middleware.cache.keeper import Keeper
from api_gateway.middleware.cache.known import Known

HIT_FOR_MISS = 5.0
"""Seconds for which nobody waits for a key whose answer turned out not to be shared."""

_FAILED = 500  # from here on it is the service that failed


class NotCached(GatewayError):
    """The client wants only what is cached, and it is not (RFC 9111 5.2.1.7)."""

    status, code, title, flag = 504, "not-cached", "Not in the cache", "-"


def cached_answer(serve: Serve) -> Response:
    """The response that the rules say."""
    return Response(serve.status, serve.headers, serve.body)


class Origin:
    """The service behind a cache."""

    __slots__ = ("_background", "_flights", "_keeper", "_max_body", "_policy", "_wall", "unshared")

    unshared: Known
    """Keys whose answers it is not worth waiting for, if somebody else asked."""

    def __init__(
        self,
        policy: CachePolicy,
        clock: Clock,
        keeper: Keeper,
        flights: Flights,
        background: Background,
        max_body: int,
    ) -> None:
        self._policy = policy
        self._wall = clock.wall
        self._keeper = keeper
        self._flights = flights
        self._background = background
        self._max_body = max_body
        self.unshared = Known(HIT_FOR_MISS, clock)

    async def ask(
        self,
        asked: CacheRequest,
        decision: Validate | Forward,
        context: RequestContext,
        call_next: Handler,
        key: FlightKey | None = None,
    ) -> tuple[Response, Result]:
        """The answer for the client; with `key`, others may join while it is under way.

        Raises:
            GatewayError: there is none, and nothing stale to use instead.
        """
        flight = None if key is None else self._flights.start(key)
        try:
            while True:
                asked_at = self._wall()
                try:
                    response = await call_next(decision.request, context)
                except ClientError:
                    raise
                except GatewayError as error:
                    if flight is not None:
                        flight.land(Failed(error.status, error))
                    serve = after_failure(asked, decision, error.status, self._wall(), self._policy)
                    if serve is None:
                        raise
                    context.flag, context.error = error.flag, f"{error.detail}; a stale answer was used"
                    return cached_answer(serve), "stale"
                try:
                    outcome = after_answer(
                        asked,
                        decision,
                        response.status,
                        response.headers,
                        asked_at,
                        self._wall(),
                        self._policy,
                        response.body,
                    )
                    if isinstance(outcome, Store):
                        return self._stored(asked, decision, flight, outcome, response), "miss"
                    if isinstance(outcome, Nothing):
                        return self._passed(asked, decision, flight, response)
                    if not isinstance(outcome, Refetch):
                        return await self._otherwise(asked, decision, flight, outcome, response)
                except BaseException:
                    await response.close()
                    raise
                await response.close()
                decision = Forward(outcome.request, "stale")
        finally:
            if flight is not None and flight.landing is None:  # whatever has happened
                flight.land(VANISHED)

    def _passed(
        self, asked: CacheRequest, decision: Validate | Forward, flight: Flight | None, response: Response
    ) -> tuple[Response, Result]:
        """The service's own answer, of which nothing is kept."""
        status = response.status
        if flight is not None:
            if status < _FAILED:
                self.unshared.add(asked.key)
            flight.land(ALONE if status < _FAILED else Failed(status))
        self._mark(response, forwarded(self._policy.name, decision.reason, status))
        return response, "miss" if asked.bypass is None else "bypass"

    def _stored(
        self,
        asked: CacheRequest,
        decision: Validate | Forward,
        flight: Flight | None,
        outcome: Store,
        response: Response,
    ) -> Response:
        key, shared = asked.key, outcome.shareable
        if shared:
            self.unshared.discard(key)
        elif flight is not None:  # each has to ask for itself whether it still holds
            self.unshared.add(key)
        headers = response.headers
        if outcome.tagged:
            headers, outcome = _without_tags(headers), outcome._replace(head=_untagged(outcome.head))
        body = response.body
        fits = _fits(outcome.announced, len(body) if isinstance(body, bytes) else None, self._max_body)
        entry = forwarded(self._policy.name, decision.reason, response.status, outcome.ttl, fits)
        response.headers = Headers.from_pairs([*headers.pairs, (CACHE_STATUS, entry)])
        if fits and isinstance(body, bytes):  # all there: nothing to collect, and the head has it already
            if flight is not None and shared:
                flight.say(Kept(outcome.head))
            elif flight is not None:
                flight.land(ALONE)
            self._keeper.keep(key, outcome.head, outcome.lifetime, None if flight is None else flight.end)
            return response
        delivery = Delivery(key, flight, outcome, self._keeper, self.unshared)
        if not fits:
            delivery.lost(too_large=True)
            return response
        fill = Fill(response, self._max_body, delivery, self._background.adopt)
        delivery.began(fill)
        return Response(response.status, response.headers, fill.reader())

    async def _otherwise(
        self,
        asked: CacheRequest,
        decision: Validate | Forward,
        flight: Flight | None,
        outcome: Merge | Serve | Invalidate,
        response: Response,
    ) -> tuple[Response, Result]:
        if isinstance(outcome, Merge):
            return await self._merged(asked, decision, flight, outcome, response), "revalidated"
        if isinstance(outcome, Serve):
            if flight is not None:
                flight.land(Failed(response.status))
            await response.close()
            return cached_answer(outcome), "stale"
        for key in outcome.keys:
            self._flights.detach(key)
        await self._keeper.forget(outcome.keys, outcome.tags)
        return self._passed(asked, decision, flight, response)

    async def _merged(
        self,
        asked: CacheRequest,
        decision: Validate | Forward,
        flight: Flight | None,
        outcome: Merge,
        response: Response,
    ) -> Response:
        key, stored = asked.key, _untagged(outcome.stored)
        if outcome.lifetime > 0:
            if flight is not None:
                flight.say(Kept(stored))
            self._keeper.keep(key, stored, outcome.lifetime, None if flight is None else flight.end)
        else:
            if flight is not None:
                flight.land(ALONE)
            await self._keeper.forget((key,))
        if outcome.answer is None:
            entry = forwarded(self._policy.name, decision.reason, status=response.status)
            self._mark(response, entry)
            return response
        await response.close()
        answer = cached_answer(outcome.answer)
        answer.headers = _without_tags(answer.headers)
        return answer

    def _mark(self, response: Response, entry: bytes) -> None:
        response.headers = Headers.from_pairs([*_without_tags(response.headers).pairs, (CACHE_STATUS, entry)])


def _fits(announced: bytes | None, there: int | None, limit: int) -> bool:
    """Whether a body may be kept, as far as its head tells; `there` is its length if it is all there."""
    if there is not None:
        return there <= limit and (announced is None or announced == b"%d" % there)
    return announced is None or not announced.isdigit() or int(announced[:19]) <= limit


def _untagged(stored: StoredResponse) -> StoredResponse:
    """`stored` without the fields that name its tags: they are for caches, not for clients."""
    headers = _without_tags(stored.headers)
    return stored if headers is stored.headers else replace(stored, headers=headers)


def _without_tags(headers: Headers) -> Headers:
    for name, _ in headers.pairs:  # a copy only where there are some
        if name in TAG_FIELDS:
            return Headers.from_pairs([pair for pair in headers.pairs if pair[0] not in TAG_FIELDS])
    return headers
