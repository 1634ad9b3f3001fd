"""Staleness: what a client gets when an answer's time is up and its origin is slow, or gone.

Two directives of RFC 5861 let an answer be used past its lifetime. `stale-while-revalidate=n`: for n seconds, at once,
while it is fetched anew. `stale-if-error=n`: for n seconds, if the origin was asked and failed.

Rule: the origin itself says so in `Cache-Control`, as any origin may, and the gateway's cache obeys. Its age is what
an answer says of itself in `Age`.

How often is an answer stale? Let a page be good for L seconds and requests come at random, `rate` a second. With
`stale-while-revalidate` the first one after the end is answered at once and stale, and so are those who come in the
`takes` until the new one is there. So of each round 1 + rate takes are stale:

    share = (1 + rate takes) / (1 + rate (takes + L - 1/2))          while the next one comes within n

(L - 1/2, because ages count from `Date`, which has whole seconds and is half a second before the answer on average.)
Without it, these wait. Nothing else changes: not how often the origin is asked, not how many are concerned.

What it does not do: `max-stale`, with which a client asks for it.

Source: RFC 5861.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple

from api_gateway.plotting.caching.laboratory import Clients, Got, Origin, gateway_with_cache
from api_gateway.simulation import FakeService, Fault, Steady, open_loop, run

LASTS, TAKES = 5, 0.2
"""Seconds for which a page is good, and that it takes to make."""
DOWN = (20.0, 40.0)
"""Seconds between which the origin refuses connections."""

_BREAKER = {"circuit_breaker": {"open_for": "2s"}}
_DAYS = 2**20  # seconds; more than a window that is long enough


class Outage(NamedTuple):
    """What became of a page's clients, whose origin was down for a while."""

    got: Sequence[Got]
    asked: Sequence[float]
    """Seconds at which the origin was asked."""

    def failed(self) -> int:
        """How many had no answer."""
        return sum(got.status != 200 for got in self.got)

    def oldest(self) -> float:
        """Seconds of the oldest answer."""
        return max(got.age for got in self.got if got.status == 200)

    def waited(self) -> int:
        """How many waited for an answer when there had been one already."""
        return sum(got.duration > 0 for got in self.got if got.sent >= 1)

    def asked_while_down(self) -> int:
        """How often the origin was asked though it was down."""
        return sum(DOWN[0] <= time < DOWN[1] for time in self.asked)


def outage(
    directives: str = "", *, breaker: bool = False, rate: float = 20.0, seconds: float = 50.0, seed: int = 1
) -> Outage:
    """Let clients ask for a page with these directives beside its `max-age`; `breaker` is one around the origin."""

    async def main() -> Outage:
        service = FakeService(TAKES, workers=1000, faults=[Fault("refuse", *DOWN)], random=Random(seed))
        origin = Origin(service, {"cache-control": ", ".join(filter(None, [f"max-age={LASTS}", directives]))})
        async with gateway_with_cache(origin, service=_BREAKER if breaker else {}) as gateway:
            clients = Clients(gateway)
            await open_loop(Steady(rate), seconds, clients.ask, Random(f"arrivals {seed}"))
        return Outage(sorted(clients.got), origin.asked)

    return run(main)


class Load(NamedTuple):
    """One page under one load."""

    stale: float
    """The share of answers that were past their lifetime."""
    waited: float
    """The share that waited for the origin."""
    asked: float
    """Requests a second to the origin."""


def under_load(rate: float, *, lasts: int, while_revalidating: bool, count: int = 2000, seed: int = 1) -> Load:
    """Let about `count` clients ask, `rate` a second, for a page that is good for `lasts` seconds."""

    async def main() -> Load:
        seconds = count / rate
        directives = f"max-age={lasts}" + f", stale-while-revalidate={_DAYS}" * while_revalidating
        origin = Origin(FakeService(TAKES, workers=1000, random=Random(seed)), {"cache-control": directives})
        async with gateway_with_cache(origin) as gateway:
            clients = Clients(gateway)
            await open_loop(Steady(rate), seconds, clients.ask, Random(f"arrivals {rate} {seed}"))
        answers = len(clients.got)
        waited = sum(got.duration > 0 for got in clients.got)
        return Load(sum(got.stale for got in clients.got) / answers, waited / answers, len(origin.asked) / seconds)

    return run(main)


def share_past_its_end(rate: float, lasts: float, takes: float = TAKES) -> float:
    """The share of requests that come when the page's time is up, by theory: stale answers, or waits."""
    return (1 + rate * takes) / (1 + rate * lasts)  # when it comes it is as old as it took


def mean_age(outcome: Outage, start: float, end: float) -> float:
    """Seconds, of the answers to what was sent between."""
    ages = [got.age for got in outcome.got if start <= got.sent < end and got.status == 200]
    return math.fsum(ages) / len(ages)


def loads(rates: Sequence[float], lasts: int, count: int = 1500) -> Mapping[bool, Mapping[float, Load]]:
    """Pages under several loads, without and with `stale-while-revalidate`."""
    return {
        while_revalidating: {
            rate: under_load(rate, lasts=lasts, while_revalidating=while_revalidating, count=count) for rate in rates
        }
        for while_revalidating in (False, True)
    }
