"""Stampede: an answer that everybody wants has just expired, and everybody asks for it again.

A cache is not part of the gateway yet. `Remembered` is a stand-in, just large enough for the question of this
scenario: one answer for each path, and whether those who find none wait for the first one who does.

Rule (single flight): the first one who finds nothing asks the service; whoever comes until there is an answer waits
for that. N calls become 1.

Rule (early expiry, "XFetch"): a request at t asks anew before the answer expires at e, if

    t - delta * beta * ln(u) >= e        with u drawn from (0, 1]

where delta is how long asking takes. The nearer the end, the likelier; so somebody asks shortly before it, and
nobody waits. It needs no lock, and so works across gateways.

What it does not do: look at methods or headers, forget, or pass a failure on to more than those who waited.

Source: A. Vattani, F. Chierichetti, K. Lowenstein, "Optimal probabilistic cache stampede prevention", VLDB 2015.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple

from matplotlib.axes import Axes

from api_gateway.core.api_gateway import ApiGateway
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.plotting.style import ADMITTED, INK, Picture, new_figure
from api_gateway.routing.route import Route
from api_gateway.routing.router import Router
from api_gateway.simulation import Experiment, FakeService, VirtualClock, run

_CERTAIN = 14  # -ln(u) is greater in one draw of a million


class Remembered:
    """Middleware: keeps the answer of each path."""

    def __init__(self, *, single_flight: bool) -> None:
        """Start with nothing; `single_flight` lets one ask for all."""
        self._single_flight = single_flight
        self._answers: dict[str, Response] = {}
        self._flights: dict[str, asyncio.Task[Response]] = {}

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """What is remembered, or what the service says now."""
        answer = self._answers.get(request.path)
        if answer is None and self._single_flight:
            answer = await self._share(request, context, call_next)
        elif answer is None:
            answer = self._answers[request.path] = await call_next(request, context)
        return Response(answer.status, answer.headers, answer.body)

    async def _share(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        flight = self._flights.get(request.path)
        if flight is None:
            # A task of its own: the one who asked first may leave, and the others still want the answer.
            flight = asyncio.ensure_future(call_next(request, context))
            self._flights[request.path] = flight
            flight.add_done_callback(lambda ended: self._landed(request.path, ended))
        return await asyncio.shield(flight)

    def _landed(self, path: str, flight: asyncio.Task[Response]) -> None:
        del self._flights[path]
        if not flight.cancelled() and flight.exception() is None:
            self._answers[path] = flight.result()


class Stampede(NamedTuple):
    """What became of those who asked at once."""

    calls: int
    """That the database had to do."""
    answered: Sequence[float]
    """Seconds until each had an answer, the quickest first."""
    queue: Sequence[tuple[float, float]]
    """What the database had to do, over time."""


def stampede(*, single_flight: bool, requests: int = 1000, workers: int = 10, takes: float = 0.05) -> Stampede:
    """So many ask at the same moment for what nobody remembers any more."""

    async def main() -> Stampede:
        database = FakeService(takes, workers=workers, random=Random(1))
        cache = Remembered(single_flight=single_flight)
        gateway = ApiGateway(Router([Route("/*", "database")]), {"database": database}, [cache], clock=VirtualClock())
        experiment = Experiment(gateway, "/front-page")
        experiment.watch("present", lambda: database.present)
        async with experiment.sampling(takes / 2), asyncio.TaskGroup() as group:
            for _ in range(requests):
                group.create_task(_send(experiment))
        return Stampede(database.arrived, experiment.durations(200), experiment.series["present"])

    return run(main)


async def _send(experiment: Experiment) -> None:
    await experiment.send()


def recomputations(beta: float, *, rate: float = 1000.0, takes: float = 0.2, lasts: float = 5.0, rounds: int = 100,
                   seed: int = 1) -> float:  # fmt: skip
    """How often on average an answer is asked for again each time that it expires; `beta` 0 is without early expiry."""
    random = Random(seed)
    now = 0.0
    expires = lasts
    asked = ended = 0
    under_way: deque[float] = deque()  # when each will have its answer
    while ended < rounds:
        now += random.expovariate(rate)
        while under_way and under_way[0] <= now:
            fresh = under_way.popleft() + lasts
            if fresh > expires + takes:  # the first answer of a round: the others follow within `takes`
                ended += 1
                now = max(now, fresh - takes * (1 + _CERTAIN * beta))  # nobody asks so early
            expires = max(expires, fresh)
        if now - takes * beta * math.log(1 - random.random()) >= expires:
            asked += 1
            under_way.append(now + takes)
    return (asked - len(under_way)) / rounds


def two_stampedes(found: Mapping[str, Stampede], headline: str) -> tuple[Picture, dict[str, float]]:
    """Draw who has an answer and what the database has to do, a panel each; give the seconds until all are answered."""
    figure, panels = new_figure(headline, columns=len(found), width=10, height=3.9)
    last = max(one.answered[-1] for one in found.values())
    for axes, (name, one) in zip(panels, found.items(), strict=True):
        count = len(one.answered)
        times = [0.0, *one.answered, last * 1.1]
        axes.plot(times, [0, *range(1, count + 1), count], color=ADMITTED, drawstyle="steps-post")
        samples = [*one.queue, (one.answered[-1], 0.0), (last * 1.1, 0.0)]
        axes.plot(*zip(*samples, strict=True), color=INK, linestyle="--", drawstyle="steps-post", linewidth=1.4)
        axes.set_title(f"{name}: {one.calls:,} call{'s' if one.calls > 1 else ''}")
        axes.set_xlabel("time since the answer expired, seconds")
        _names(axes, one, last)
    panels[0].set_ylabel("requests")
    panels[0].set_xlim(-0.05, last * 1.1)
    most = len(next(iter(found.values())).answered)
    panels[0].set_ylim(0, most * 1.06)
    ticks = range(0, most + 1, max(1, most // 5))
    panels[0].set_yticks(ticks, [f"{tick:,}" for tick in ticks])
    return figure, {name: one.answered[-1] for name, one in found.items()}


def _names(axes: Axes, one: Stampede, last: float) -> None:
    """Beside the lines where they are far apart: late where they are sloped, soon where they are steep."""
    count = len(one.answered)
    if one.answered[-1] > last / 2:
        axes.text(last * 0.70, count * 0.73, "answered", color=ADMITTED, ha="right", va="bottom")
        axes.text(last * 0.74, count * 0.28, "at the database", color=INK, ha="left", va="bottom")
    else:
        axes.text(last * 0.1, count * 0.98, "answered", color=ADMITTED, ha="left", va="top")
        axes.text(last * 0.1, count * 0.02, "at the database", color=INK, ha="left", va="bottom")
