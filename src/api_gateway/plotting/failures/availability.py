"""Availability: one gateway, or N behind a balancer: what arithmetic promises, and what is left of it.

Rule: a gateway is up for an exponential time (MTBF on average) and down for another (MTTR), again and again. Alone it
is there a = MTBF / (MTBF + MTTR) of the time. N that fail independently, with a failover that takes no time, are all
down (1 - a) ^ N of it: two of 99 % make 99.99 %.

Two things are left out of that.

    detection    for d seconds after a death the balancer still sends it 1/N of the requests. There are N that may
                 die, so d / (MTBF + MTTR) of all requests are lost, for any N.
    causes in    a share c of the failures (a configuration, a certificate, a zone, the balancer) takes all down at
    common       once: c * (1 - a), for any N.

`fleet` is the same with whole gateways and a balancer that checks them: `BackendService`, whose endpoints are gateways.

What it does not do: fail by overload, when N - 1 cannot carry what N could. Have one more than are needed.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from random import Random
from typing import NamedTuple

from api_gateway.backend.backend_service import BackendService
from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.health_check import HealthCheck
from api_gateway.core.api_gateway import ApiGateway
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import ConnectFailed
from api_gateway.plotting.failures.laboratory import Flow, Trial, offered
from api_gateway.plotting.style import ADMITTED, CONTEXT, INK, REFUSED, Label, Picture, label_ends, new_figure
from api_gateway.routing.route import Route
from api_gateway.routing.router import Router
from api_gateway.simulation import FakeService, Fault, VirtualClock, run
from api_gateway.transport.in_process import InProcessTransport

_MARKS = {
    1e-2: "99 %, 3.7 days",
    1e-3: "99.9 %, 9 hours",
    1e-4: "99.99 %, 53 min",
    1e-5: "99.999 %, 5 min",
    1e-6: "99.9999 %, 32 s",
    1e-7: "99.99999 %, 3 s",
    1e-8: "99.999999 %, 0.3 s",
}
"""What is lost, as people say it."""


class Life(NamedTuple):
    """How gateways fail. Times in seconds."""

    mtbf: float = 99 * 3600.0
    mttr: float = 3600.0
    detection: float = 0.0
    common: float = 0.0
    """The share of a gateway's failures that take all others down, too."""

    @property
    def alone(self) -> float:
        """The share of the time that one gateway is not there."""
        return self.mttr / (self.mtbf + self.mttr)

    def lost(self, gateways: int) -> float:
        """The share of the requests that so many lose, by arithmetic."""
        if gateways == 1:
            return self.alone
        own = self.alone * (1 - self.common)
        return min(self.alone, own**gateways + self.detection / (self.mtbf + self.mttr) + self.common * self.alone)


def simulated(life: Life, gateways: int, years: float, seed: int = 1) -> float:
    """The share of the requests that are lost, by drawing each failure and each repair.

    Failures of one's own and failures in common are drawn apart; a gateway is down while either is.
    """
    random, end = Random(seed), years * 365 * 86_400
    own_rate, common_rate = (1 - life.common) / life.mtbf, life.common / life.mtbf
    events = [(_next(random, own_rate, 0.0), number) for number in range(gateways)]
    events.append((_next(random, common_rate, 0.0), -1))
    heapq.heapify(events)
    up_from = [0.0] * gateways
    all_down_until = 0.0
    lost = 0.0
    while events[0][0] < end:
        now, number = heapq.heappop(events)
        back = now + random.expovariate(1 / life.mttr)
        if number < 0:
            lost += max(0.0, back - max(now, all_down_until))
            all_down_until = max(all_down_until, back)
            heapq.heappush(events, (_next(random, common_rate, back), -1))
            continue
        up_from[number] = back
        heapq.heappush(events, (_next(random, own_rate, back), number))
        first_up = min(up_from)
        if first_up > now:
            start = max(now, all_down_until)
            lost += max(0.0, first_up - start)
            all_down_until = max(all_down_until, first_up)
        elif now >= all_down_until:
            lost += min(life.detection, back - now) / gateways
    return lost / end


def _next(random: Random, rate: float, now: float) -> float:
    return now + random.expovariate(rate) if rate else math.inf


def lost_by_gateways(
    lives: Mapping[str, Life], drawn: Mapping[str, Mapping[int, float]], most: int, headline: str
) -> tuple[Picture, dict[str, dict[int, float]]]:
    """Draw the share of lost requests over the number of gateways; lines are arithmetic, dots simulated."""
    figure, (axes,) = new_figure(headline, height=4.4)
    labels = []
    counts = list(range(1, most + 1))
    for (name, life), colour, shape in zip(lives.items(), (ADMITTED, INK, REFUSED), "osD", strict=True):
        lost = [life.lost(count) for count in counts]
        axes.plot(counts, lost, color=colour, linewidth=1.4)
        dots = drawn.get(name, {})
        axes.plot(list(dots), list(dots.values()), shape, color=colour, markersize=6, clip_on=False)
        labels.append(Label(most, lost[-1], name, colour))
    axes.set_yscale("log")
    axes.set_ylim(5e-9, 3e-2)
    axes.set_xlim(1, most)
    axes.set_xticks(counts)
    axes.set_yticks(list(_MARKS), _MARKS.values())
    axes.minorticks_off()
    for mark in _MARKS:
        axes.axhline(mark, color=CONTEXT, linewidth=0.4, zorder=0)
    axes.set_xlabel("gateways, each there 99 % of the time")
    axes.set_ylabel("requests answered, or time lost in a year")
    label_ends(axes, labels, apart=0.07)
    return figure, {name: {count: life.lost(count) for count in counts} for name, life in lives.items()}


def fleet(gateways: int, dead: tuple[float, float], *, interval: float = 2.0, seconds: float = 60.0) -> Trial:
    """The flow `clients` of 100 requests a second to a balancer before so many gateways, of which the first dies."""

    async def main() -> Trial:
        clock = VirtualClock()
        handlers = {f"in-process://gateway/{number}": _gateway(number, dead, clock) for number in range(gateways)}
        balancer = BackendService(
            "gateways",
            [Endpoint(url) for url in handlers],
            InProcessTransport(handlers),
            clock=clock,
            random=Random(1),
            health_check=HealthCheck("/health", interval, interval / 2),
        )
        front = ApiGateway(Router([Route("/*", "gateways")]), {"gateways": balancer}, clock=clock)
        return await offered(front, {"clients": Flow("/", 100.0)}, seconds)

    return run(main)


def _gateway(number: int, dead: tuple[float, float], clock: VirtualClock) -> Handler:
    service = FakeService(0.01, workers=100, random=Random(number))
    gateway = ApiGateway(Router([Route("/*", "orders")]), {"orders": service}, clock=clock)
    fault = Fault("refuse", *dead)

    async def process(request: Request, context: RequestContext) -> Response:
        if number == 0 and fault.active(clock.monotonic() / 1e9):
            raise ConnectFailed("nobody listens")
        return await gateway.handle(request, RequestContext(clock.monotonic()))

    return process


def nines(lost: float) -> str:
    """The share that is not lost, in percent, with as many digits as say something; never rounded up."""
    digits = max(0, math.ceil(-math.log10(lost) - 1e-9) - 2)
    whole = math.floor(100 * (1 - lost) * 10**digits + 1e-6)
    return f"{whole / 10**digits:.{digits}f} %"


def minutes_a_year(lost: float) -> float:
    """How long that is in a year."""
    return lost * 365 * 24 * 60
