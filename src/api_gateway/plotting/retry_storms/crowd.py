"""A crowd that comes back: a thousand clients ask at once, a service takes ten in each 100 ms, the others wait.

Rule: each client asks through the gateway with the real retry middleware and one way of backing off (base 100 ms, cap
10 s). The service admits by the real `FixedWindow`, ten in each 100 ms, and answers 503 to all others.
Without jitter all that are left come back at the same moment, each time: 1000 + 990 + ... + 10 = 50,500 calls, exactly.

What it does not do: count what the useless calls cost the service. Here a refusal is free.

Source: M. Brooker, "Exponential backoff and jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from random import Random
from typing import NamedTuple

from api_gateway.backend.backend_service import BackendService
from api_gateway.backend.endpoint import Endpoint
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.middleware.retry import RetryMiddleware
from api_gateway.plotting.style import ADMITTED, REFUSED, Picture, new_figure
from api_gateway.rate_limiting import FixedWindow
from api_gateway.resilience.backoff import Backoff
from api_gateway.simulation import VirtualClock, run
from api_gateway.transport.in_process import InProcessTransport

CLIENTS = 1000
TAKES = 10
"""Requests in each slot."""
SLOT = 0.1
"""Seconds."""

_MILLISECOND = 1_000_000
_URL = "in-process://s"


class Call(NamedTuple):
    """One call of one client."""

    time: float
    """Seconds from the start."""
    client: int
    taken: bool
    """Whether the service took it."""


class Crowd(NamedTuple):
    """What a way of backing off came to."""

    calls: int
    """All of them."""
    busiest: int
    """The most within one slot, the first one aside."""
    over: float
    """Seconds until the last client was served."""


def crowd(jitter: str, *, seed: int = 1) -> list[Call]:
    """Every call that the clients make until all are served."""

    async def main() -> list[Call]:
        clock = VirtualClock()
        limiter = FixedWindow(TAKES, SLOT)
        calls: list[Call] = []

        async def service(request: Request, context: RequestContext) -> Response:
            now = clock.monotonic()
            taken = limiter.acquire("s", now).allowed
            calls.append(Call(now / 1e9, int(request.path[1:]), taken))
            return Response(200 if taken else 503)

        backoff = Backoff(100 * _MILLISECOND, 10_000 * _MILLISECOND, Random(seed), jitter)
        retry = RetryMiddleware(1 + CLIENTS, backoff, None, clock=clock)
        transport = InProcessTransport({_URL: service})
        behind = BackendService("s", [Endpoint(_URL)], transport, middleware=[retry], clock=clock)
        requests = (Request("GET", f"/{client}") for client in range(CLIENTS))
        await asyncio.gather(*(behind(request, RequestContext()) for request in requests))
        return calls

    return run(main)


def crowd_raster(crowds: Mapping[str, list[Call]], seconds: float, headline: str) -> tuple[Picture, dict[str, Crowd]]:
    """Draw the first so many seconds, a client a line in the order of being served; the numbers are of all."""
    figure, panels = new_figure(headline, columns=len(crowds), width=9.5, height=4.2)
    for axes, (name, calls) in zip(panels, crowds.items(), strict=True):
        order = {call.client: place for place, call in enumerate(call for call in calls if call.taken)}
        for taken, colour, size in ((False, REFUSED, 1.1), (True, ADMITTED, 3.2)):
            shown = [call for call in calls if call.taken is taken and call.time <= seconds]
            axes.plot([call.time for call in shown], [order[call.client] for call in shown], ".", color=colour,
                      markersize=size, markeredgewidth=0)  # fmt: skip
        axes.set_title(f"{name}: {len(calls):,} calls, all served after {_duration(calls[-1].time)}")
        axes.set_xlabel("time, seconds")
        axes.set_xlim(-0.02 * seconds, seconds)
        axes.set_ylim(CLIENTS * 1.01, -0.02 * CLIENTS)
    panels[0].set_yticks([0, 200, 400, 600, 800, 1000], ["0", "200", "400", "600", "800", "1,000"])
    panels[0].set_ylabel("clients, in the order of being served")
    panels[-1].annotate("served", (5, 470), xytext=(8, 0), textcoords="offset points", color=ADMITTED)
    panels[-1].annotate(
        "refused, ask again",
        (4.6, 700),
        xytext=(9.6, 700),
        va="center",
        color=REFUSED,
        arrowprops={"arrowstyle": "-", "color": REFUSED, "linewidth": 0.8},
    )
    return figure, {name: summary(calls) for name, calls in crowds.items()}


def summary(calls: list[Call]) -> Crowd:
    """The numbers of one crowd."""
    slots: dict[int, int] = {}
    for call in calls:
        slot = round(call.time * 1e9) // round(SLOT * 1e9)
        slots[slot] = slots.get(slot, 0) + 1
    return Crowd(len(calls), max(number for slot, number in slots.items() if slot), calls[-1].time)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
