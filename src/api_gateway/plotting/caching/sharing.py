"""Sharing: whose data does a client get?

Users ask for `/account`, as themselves, and readers for `/news`, each in a language. The service answers with the name
of whoever asked, and in the language. In front of it is the seed's cache, or the gateway's.

Rule: an answer names whom it was made for, so whoever got it can be compared with whoever asked. The service behaves
badly where services do: it says `max-age` for an account, without `private`. Then only the cache can prevent the worst.

And uncacheable answers: many ask at once for what may not be kept. How long does each wait?

What it does not do: prove tokens. Who asks stands in the request's context, where authentication puts it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Literal, NamedTuple, TypeAlias

from api_gateway.core.api_gateway import ApiGateway
from api_gateway.core.identity import Identity
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.plotting.caching.laboratory import NOT_EARLY, Clients, Origin, gateway_with, gateway_with_cache
from api_gateway.plotting.caching.seeds import LockedCache, SeedCache
from api_gateway.simulation import FakeService, run

Way: TypeAlias = Literal["the seed's cache", "this cache", "this cache, per: identity"]
WAYS: tuple[Way, ...] = ("the seed's cache", "this cache", "this cache, per: identity")

LANGUAGES = ("en", "de", "fr", "ja")
TAKES = 0.2
"""Seconds for an answer that may not be kept."""

_LASTS = 60


class Shared(NamedTuple):
    """Who got whose answer."""

    got: Sequence[tuple[str, str]]
    """Pairs of who asked and whom the answer was made for, in the order in which they were asked."""
    asked: int
    """Requests that the service had to answer."""

    def wrong(self) -> int:
        """How many got what was made for somebody else."""
        return sum(who != whose for who, whose in self.got)


def accounts(way: Way, users: int = 8, rounds: int = 3, seed: int = 1) -> Shared:
    """Each user asks for `/account` so many times, in an order that is drawn."""
    names = [f"user {number}" for number in range(1, users + 1)]
    order = Random(seed).sample(names * rounds, users * rounds)
    identities = {name: Identity(name, "jwt") for name in names}
    return _asked(way, [(name, Request("GET", "/account"), identities[name]) for name in order])


def news(way: Way, rounds: int = 3, seed: int = 1) -> Shared:
    """Readers of every language ask for `/news`, in an order that is drawn."""
    order = Random(seed).sample(LANGUAGES * rounds, len(LANGUAGES) * rounds)
    return _asked(way, [(name, Request("GET", "/news", {"accept-language": name}), None) for name in order])


def _asked(way: Way, requests: Sequence[tuple[str, Request, Identity | None]]) -> Shared:
    async def main() -> Shared:
        count = 0

        async def service(request: Request, context: RequestContext) -> Response:
            nonlocal count
            count += 1
            fields = {"cache-control": f"max-age={_LASTS}"}
            if context.identity is not None:
                return Response.text(context.identity.subject, headers=fields)
            return Response.text(request.header("accept-language") or "", headers={**fields, "vary": "accept-language"})

        clients = Clients(_gateway(way, service))
        got = []
        for name, request, identity in requests:
            got.append((name, (await clients.ask(request, identity)).body.decode()))
            await asyncio.sleep(1)
        return Shared(got, count)

    return run(main)


def _gateway(way: Way, service: Handler) -> ApiGateway:
    if way == "the seed's cache":
        return gateway_with(service, SeedCache(_LASTS))
    return gateway_with_cache(service, NOT_EARLY if way == "this cache" else {**NOT_EARLY, "per": "identity"})


class Waiters(NamedTuple):
    """Those who asked at once for what may not be kept, twice."""

    first: Sequence[float]
    """Seconds that each waited, shortest first."""
    again: Sequence[float]
    """Likewise, a second later."""


def uncacheable(*, locked: bool, clients: int = 100) -> Waiters:
    """Let them ask before a cache with a lock for each key, or before the gateway's own."""

    async def main() -> Waiters:
        origin = Origin(FakeService(TAKES, workers=1000, random=Random(1)), {"cache-control": "no-store"})
        asking = Clients(gateway_with(origin, LockedCache()) if locked else gateway_with_cache(origin))
        await asking.crowd(clients)
        await asyncio.sleep(1)
        await asking.crowd(clients)
        waits = [got.duration for got in asking.got]
        return Waiters(sorted(waits[:clients]), sorted(waits[clients:]))

    return run(main)
