"""Overload: far more is asked for than can be done, and what decides how much of it is answered in time.

Rule: a way to wait is a `BulkheadMiddleware` before a service of ten workers, exponential times of 10 ms on average: it
can do 1,000 requests a second. Clients wait for 100 ms. The service does not notice that they have gone. *Goodput*
is what is answered in time.

| way | the bulkhead |
|---|---|
| first in, first out | any number wait, nobody looks at the time |
| drop the expired | any number wait, and whose time is over when its turn comes is dropped |
| bounded queue | 50 wait, others are refused at once |
| expected wait | who could not be answered in time is refused at once |

`busy_gateway` is the other kind of overload: the gateway's own processor is what there is too little of.

What it does not do: let clients try again; that is the storm of the next notebook.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import NamedTuple, TypeAlias

from api_gateway.core.clock import NANOSECONDS, Clock
from api_gateway.core.errors import GatewayError
from api_gateway.core.middleware import Handler, Middleware, chain
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.middleware.bulkhead import BulkheadMiddleware
from api_gateway.plotting.style import ADMITTED, CONTEXT, INK, REFUSED, Label, Picture, label_ends, new_figure
from api_gateway.resilience.expected_wait import ExpectedWait
from api_gateway.simulation import Exponential, FakeService, Steady, VirtualClock, arrivals, open_loop, run, spend

CAPACITY = 1000
"""Requests a second."""
WORKERS = 10
PATIENCE = 0.1
"""Seconds that clients wait."""

_ANY_NUMBER = 10**9

Way: TypeAlias = Callable[[Clock], BulkheadMiddleware]

WAYS: Mapping[str, Way] = {
    "first in, first out": lambda clock: BulkheadMiddleware(WORKERS, _ANY_NUMBER, clock=clock),
    "drop the expired": lambda clock: BulkheadMiddleware(WORKERS, _ANY_NUMBER, clock=clock),
    "bounded queue": lambda clock: BulkheadMiddleware(WORKERS, 50, clock=clock),
    "expected wait": lambda clock: BulkheadMiddleware(WORKERS, _ANY_NUMBER, expected_wait=ExpectedWait(), clock=clock),
}
"""They differ in what is passed here; and the first knows of no deadline."""


class Goodput(NamedTuple):
    """What became of the requests after the first 0.4 s."""

    offered: float
    """Requests a second; likewise the next two."""
    in_time: float
    done: float
    """Worked on to the end, in time or not."""


def goodput(way: str, rate: float, seconds: float = 1.2, seed: int = 1) -> Goodput:
    """Offer `rate` requests a second for so many seconds."""

    async def main() -> Goodput:
        clock, loop = VirtualClock(), asyncio.get_running_loop()
        service = FakeService(Exponential(WORKERS / CAPACITY), workers=WORKERS, random=Random(f"service {seed}"))
        handler = chain([WAYS[way](clock)], service)
        request, warm, counted, in_time = Request("GET", "/"), 0.4, 0, 0

        async def send() -> None:
            nonlocal counted, in_time
            sent = loop.time()
            context = RequestContext(clock.monotonic())
            if way != "first in, first out":
                context.deadline = context.started + round(PATIENCE * NANOSECONDS)
            try:
                await handler(request, context)
            except GatewayError:
                return
            counted += warm <= loop.time() < seconds
            in_time += warm <= sent and loop.time() - sent <= PATIENCE

        await open_loop(Steady(rate), seconds, send, Random(f"arrivals {seed}"))
        return Goodput(rate, in_time / (seconds - warm), counted / (seconds - warm))

    return run(main)


def goodput_by_offer(
    found: Mapping[str, Sequence[Goodput]], headline: str, highlighted: Sequence[str]
) -> tuple[Picture, dict[str, float]]:
    """Draw goodput over what is offered, a line for each way; give the last of each line as a share of the capacity."""
    figure, (axes,) = new_figure(headline, height=4.3)
    axes.axhline(CAPACITY, color=CONTEXT, linestyle=":", linewidth=1.4)
    labels = []
    for name, points in found.items():
        good = name in highlighted
        colour = ADMITTED if good else REFUSED
        shape = "o" if good else "s"
        xs, ys = [point.offered for point in points], [point.in_time for point in points]
        axes.plot(xs, ys, color=colour, marker=shape, markersize=4.5, linestyle="-" if good else "--", clip_on=False)
        labels.append(Label(xs[-1], ys[-1], f"{name}: {ys[-1]:.0f}", colour))
    axes.set_xscale("log")
    rates = [point.offered for point in next(iter(found.values()))]
    axes.set_xlim(rates[0], rates[-1])
    axes.set_xticks(rates, [f"{rate:,.0f}" for rate in rates])
    axes.minorticks_off()
    axes.set_ylim(0, CAPACITY * 1.15)
    axes.set_yticks(range(0, CAPACITY + 1, 200), [f"{rate:,}" for rate in range(0, CAPACITY + 1, 200)])
    axes.set_xlabel("offered, requests a second")
    axes.set_ylabel(f"answered within {PATIENCE * 1000:.0f} ms, a second")
    axes.annotate("capacity", (rates[0], CAPACITY), xytext=(4, 4), textcoords="offset points", color=INK)
    label_ends(axes, labels, apart=0.07)
    return figure, {name: points[-1].in_time / CAPACITY for name, points in found.items()}


READS, SERVES = 0.0001, 0.0009
"""Seconds of the processor: to read a request, and to do the rest for it. Together 1,000 requests a second."""


def busy_gateway(rate: float, layers: Sequence[Middleware] = (), patience: float = 0.3, seconds: float = 2.5) -> float:
    """Requests a second that a gateway answers within `patience`, whose processor has `rate` of them to do.

    Its event loop is its only worker. When it is late, it finds all at once that has come meanwhile. The first second
    is not counted.
    """

    async def main() -> float:
        loop, in_time, request = asyncio.get_running_loop(), 0, Request("GET", "/")
        handler = chain([_reads, *layers], _serves)

        async def send(sent: float) -> None:
            nonlocal in_time
            try:
                await handler(request, RequestContext())
            except GatewayError:
                return
            in_time += sent >= 1 and loop.time() - sent <= patience

        async with asyncio.TaskGroup() as group:
            for time in arrivals(Steady(rate), seconds, Random(1)):
                if time > loop.time():
                    await asyncio.sleep(time - loop.time())
                group.create_task(send(time))
        return in_time / (seconds - 1)

    return run(main)


async def _reads(request: Request, context: RequestContext, call_next: Handler) -> Response:
    spend(READS)
    return await call_next(request, context)


async def _serves(request: Request, context: RequestContext) -> Response:
    spend(SERVES)
    await asyncio.sleep(0.02)
    return Response()
