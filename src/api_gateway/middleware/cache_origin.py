"""Cache origin: what happens when a cache's request goes to the service, from its answer to what is kept.

Rule: one answer, one outcome (`caching/after_answer.py`), done here: the body is teed, a 304 becomes the stored
answer, what a change made untrue is forgotten, a failure gives way to a stale answer. Where others wait, the flight
lands as soon as the head tells what is theirs; it lands in any case. An answer that is not handed on is closed.

What it does not do: look into the store before asking, or join anybody's flight (`cache.py`).
"""

from __future__ import annotations

from dataclasses import replace

from api_gateway.caching.after_answer import after_answer, after_failure
from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.caching.cache_request import CacheRequest
from api_gateway.caching.cache_status import forwarded
from api_gateway.caching.stored_response import StoredResponse
from api_gateway.caching.verdicts import Forward, Invalidate, Merge, Refetch, Serve, Store, Validate
from api_gateway.core.clock import Clock
from api_gateway.core.errors import ClientError, GatewayError
from api_gateway.core.headers import Headers
from api_gateway.core.middleware import Handler
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.middleware.cache_background import Background
from api_gateway.middleware.cache_counts import Result
from api_gateway.middleware.cache_exchange import Delivery, Exchange
from api_gateway.middleware.cache_fill import Fill
from api_gateway.middleware.cache_flight import ALONE, Failed, FlightKey, Flights, Kept
from api_gateway.middleware.cache_keeper import Keeper
from api_gateway.middleware.cache_known import Known

HIT_FOR_MISS = 5.0
"""Seconds for which nobody waits for a key whose answer turned out not to be shared."""

_FAILED = 500  # from here on it is the service that failed
_TAGS = frozenset({b"cache-tag", b"surrogate-key"})


class NotCached(GatewayError):
    """The client wants only what is cached, and it is not (RFC 9111 5.2.1.7)."""

    status, code, title, flag = 504, "not-cached", "Not in the cache", "-"


def cached_answer(serve: Serve) -> Response:
    """The response that the rules say."""
    return Response(serve.status, serve.headers, serve.body)


class Origin:
    """The service behind a cache."""

    __slots__ = ("_background", "_flights", "_keeper", "_max_body", "_policy", "_unshared", "_wall")

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
        self._unshared = Known(HIT_FOR_MISS, clock)

    def may_be_shared(self, key: str) -> bool:
        """Whether it is worth waiting for somebody else's answer under `key`."""
        return self._unshared.since(key) is None

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
        exchange = Exchange(asked, decision, self._flights, key)
        try:
            while True:
                asked_at = self._wall()
                try:
                    response = await call_next(exchange.decision.request, context)
                except ClientError:
                    raise
                except GatewayError as error:
                    exchange.land(Failed(error.status, error))
                    serve = after_failure(asked, exchange.decision, error.status, self._wall(), self._policy)
                    if serve is None:
                        raise
                    context.flag, context.error = error.flag, f"{error.detail}; a stale answer was used"
                    return cached_answer(serve), "stale"
                try:
                    result = await self._answered(exchange, response, asked_at)
                except BaseException:
                    await response.close()
                    raise
                if result is not None:
                    return result
                await response.close()
        finally:
            exchange.abandon()

    async def _answered(
        self, exchange: Exchange, response: Response, asked_at: float
    ) -> tuple[Response, Result] | None:
        """What the client gets; None if the service is to be asked again."""
        asked, decision, status = exchange.asked, exchange.decision, response.status
        headers, body, now = response.headers, response.body, self._wall()
        outcome = after_answer(asked, decision, status, headers, asked_at, now, self._policy, body)
        if isinstance(outcome, Store):
            return await self._stored(exchange, outcome, response), "miss"
        if isinstance(outcome, Merge):
            return await self._merged(exchange, outcome, response), "revalidated"
        if isinstance(outcome, Refetch):
            exchange.decision = Forward(outcome.request, "stale")
            return None
        if isinstance(outcome, Serve):
            exchange.land(Failed(status))
            await response.close()
            return cached_answer(outcome), "stale"
        if isinstance(outcome, Invalidate):
            for key in outcome.keys:
                self._flights.detach(key)
            await self._keeper.forget(outcome.keys, outcome.tags)
        if exchange.joinable and status < _FAILED:
            self._unshared.add(asked.key)
        exchange.land(ALONE if status < _FAILED else Failed(status))
        self._mark(response, forwarded(self._policy.name, decision.reason, status=status))
        return response, "miss" if asked.bypass is None else "bypass"

    async def _stored(self, exchange: Exchange, outcome: Store, response: Response) -> Response:
        key, shared = exchange.asked.key, outcome.shareable
        if shared:
            self._unshared.discard(key)
        elif exchange.joinable:  # each has to ask for itself whether it still holds
            self._unshared.add(key)
        headers = _without_tags(response.headers)
        if headers is not response.headers:
            outcome = outcome._replace(head=_untagged(outcome.head))
        body = response.body
        announced = dict(reversed(headers.pairs)).get(b"content-length")
        fits = _fits(announced, len(body) if isinstance(body, bytes) else None, self._max_body)
        entry = forwarded(
            self._policy.name, exchange.decision.reason, status=response.status, ttl=outcome.ttl, stored=fits
        )
        response.headers = Headers.from_pairs([*headers.pairs, (b"cache-status", entry)])
        if fits and isinstance(body, bytes):  # all there: nothing to collect, and the head has it already
            if shared:
                exchange.share(Kept(outcome.head))
            else:
                exchange.land(ALONE)
            await self._keeper.keep(key, outcome.head, outcome.lifetime, exchange.end)
            return response
        delivery = Delivery(exchange, outcome, self._keeper, self._unshared, shared=shared)
        if not fits:
            delivery.lost(too_large=True)
            return response
        fill = Fill(response, self._max_body, delivery, self._background.adopt)
        delivery.began(fill)
        return Response(response.status, response.headers, fill.reader())

    async def _merged(self, exchange: Exchange, outcome: Merge, response: Response) -> Response:
        key, stored = exchange.asked.key, _untagged(outcome.stored)
        if outcome.lifetime > 0:
            exchange.share(Kept(stored))
            await self._keeper.keep(key, stored, outcome.lifetime, exchange.end)
        else:
            exchange.land(ALONE)
            await self._keeper.forget((key,))
        if outcome.answer is None:
            entry = forwarded(self._policy.name, exchange.decision.reason, status=response.status)
            self._mark(response, entry)
            return response
        await response.close()
        answer = cached_answer(outcome.answer)
        answer.headers = _without_tags(answer.headers)
        return answer

    def _mark(self, response: Response, entry: bytes) -> None:
        response.headers = Headers.from_pairs([*_without_tags(response.headers).pairs, (b"cache-status", entry)])


def _fits(announced: bytes | None, there: int | None, limit: int) -> bool:
    """Whether a body may be kept, as far as its head tells."""
    if there is not None:
        return there <= limit and (announced is None or announced == b"%d" % there)
    return announced is None or not announced.isdigit() or int(announced[:19]) <= limit


def _untagged(stored: StoredResponse) -> StoredResponse:
    """`stored` without the fields that name its tags: they are for caches, not for clients."""
    headers = _without_tags(stored.headers)
    return stored if headers is stored.headers else replace(stored, headers=headers)


def _without_tags(headers: Headers) -> Headers:
    if _TAGS.isdisjoint(dict(headers.pairs)):  # a third of what the loop takes, and nearly always so
        return headers
    return Headers.from_pairs([pair for pair in headers.pairs if pair[0] not in _TAGS])
