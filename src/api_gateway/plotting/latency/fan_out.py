"""Fan-out: a page that needs several services, asked for one after the other or all at once.

Rule: `pages` builds a gateway with one route for each service, and one for the page, an `aggregate` of all of them
(`backend/aggregator.py`). *In turn*, the client sends its calls through the gateway, each after the answer to the one
before. *At once*, it asks for one page, the gateway calls all services together, and waits for the slowest.

What it does not do: model the client's network, which is paid for each call in turn, and once for a page.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple

from api_gateway.build import build_gateway
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.plotting.latency.laboratory import MANY
from api_gateway.plotting.latency.theory import meets_a_slow_one, slowest_of_exponentials
from api_gateway.plotting.style import ADMITTED, CONTEXT, INK, Label, Picture, label_ends, new_figure, quiet
from api_gateway.simulation import Experiment, FakeService, ServiceTime, VirtualClock, run


class Page(NamedTuple):
    """One page: what the client waited, and from when to when each call lasted; seconds from its beginning."""

    duration: float
    calls: Sequence[tuple[float, float]]


def slowest_of_each(loaded: Sequence[Page], count: int) -> list[float]:
    """Seconds of the slowest of each so many calls, taken in order from all pages, which may have more."""
    durations = [end - start for page in loaded for start, end in page.calls]
    return [max(durations[place : place + count]) for place in range(0, len(durations) - count + 1, count)]


def pages(service_time: ServiceTime | float, calls: int, *, at_once: bool, count: int = 1, seed: int = 1) -> list[Page]:
    """Load so many pages, one after the other, each of so many calls; nobody waits for a worker."""

    async def main() -> list[Page]:
        names = [f"service-{number}" for number in range(calls)]
        noted: list[tuple[float, float]] = []
        services = {
            name: _noted(FakeService(service_time, workers=MANY, random=Random(f"{name} {seed}")), noted)
            for name in names
        }
        parts = {name.replace("-", "_"): {"service": name, "path": "/"} for name in names}
        page = {"path": "/page", "aggregate": parts, "max_parallel": calls}
        routes = [page, *({"path": f"/{name}", "service": name} for name in names)]
        config = {"middleware": [], "routes": routes}
        gateway = build_gateway(config, services, clock=VirtualClock(), random=Random(seed))
        experiment, found = Experiment(gateway), []
        requests = [Request("GET", f"/{name}") for name in (["page"] if at_once else names)]
        for _ in range(count):
            noted.clear()
            began = asyncio.get_running_loop().time()
            for request in requests:
                await experiment.send(request)
            duration = asyncio.get_running_loop().time() - began
            found.append(Page(duration, [(start - began, end - began) for start, end in noted]))
        return found

    return run(main)


def _noted(service: FakeService, calls: list[tuple[float, float]]) -> Handler:
    async def handle(request: Request, context: RequestContext) -> Response:
        place, start = len(calls), asyncio.get_running_loop().time()
        calls.append((start, start))
        response = await service(request, context)
        calls[place] = (start, asyncio.get_running_loop().time())
        return response

    return handle


def lanes(loaded: Mapping[str, Page], names: Sequence[str], headline: str) -> tuple[Picture, dict[str, float]]:
    """Draw a lane for each call of each page, and give the pages' seconds."""
    figure, panels = new_figure(headline, rows=len(loaded), height=1.1 + 0.21 * len(names) * len(loaded))
    for axes, (name, page) in zip(panels, loaded.items(), strict=True):
        for row, (start, end) in enumerate(page.calls):
            axes.barh(row, 1000 * (end - start), 0.62, 1000 * start, color=ADMITTED)
        axes.axvline(1000 * page.duration, color=INK, linewidth=0.9)
        axes.set_title(f"{name}: {1000 * page.duration:,.0f} ms")
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.spines["bottom"].set_visible(axes is panels[-1])
        axes.tick_params(axis="x", length=0 if axes is not panels[-1] else 3)
        quiet(axes, y=True)
    panels[-1].set_xlim(0, 1020 * max(page.duration for page in loaded.values()))
    panels[-1].xaxis.set_major_formatter("{x:,.0f}")
    panels[-1].set_xlabel("time since the page was asked for, milliseconds")
    return figure, {name: page.duration for name, page in loaded.items()}


def slowest_of_many(loaded: Sequence[Page], mean: float, headline: str) -> tuple[Picture, dict[int, float]]:
    """Draw what a page takes on average by the number of its calls, beside theory; `mean` is one call's, seconds.

    Service times are exponential. The numbers are milliseconds.
    """
    most = len(loaded[0].calls)
    counts = range(1, most + 1)
    found = {n: 1000 * math.fsum(slowest) / len(slowest) for n in counts for slowest in [slowest_of_each(loaded, n)]}
    theory = [1000 * mean * slowest_of_exponentials(n) for n in counts]
    figure, (axes,) = new_figure(headline, height=3.9)
    axes.plot(counts, [1000 * mean] * most, color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.plot(counts, theory, color=CONTEXT, linewidth=1.4)
    axes.plot(counts, list(found.values()), "o", color=ADMITTED, markersize=5, clip_on=False, zorder=3)
    axes.set_xlim(0.5, most)
    axes.set_ylim(0, 1.1 * max(*theory, *found.values()))
    axes.set_xticks([1, *range(5, most + 1, 5)])
    axes.set_xlabel("calls at once for one page")
    axes.set_ylabel("average time of a page, milliseconds")
    ends = [
        Label(
            most,
            theory[-1],
            f"the slowest call:\n{1000 * mean:.0f} ms \N{MULTIPLICATION SIGN} (1 + 1/2 + … + 1/n)",
            CONTEXT,
        )
    ]
    label_ends(axes, [*ends, Label(most, 1000 * mean, "the average call")])
    return figure, found


def pages_with_a_slow_call(
    loaded: Sequence[Page], slow: float, headline: str, marked: Sequence[int] = (10, 25, 50, 100)
) -> tuple[Picture, dict[int, float]]:
    """Draw the share of pages with a call of more than `slow` seconds, one call's p99, by the number of calls."""
    most = len(loaded[0].calls)
    counts = [n for n in range(1, most + 1) if most % n == 0]
    found = {n: sum(one > slow for one in times) / len(times) for n in counts for times in [slowest_of_each(loaded, n)]}
    figure, (axes,) = new_figure(headline, height=3.9)
    axes.plot(range(1, most + 1), [100 * meets_a_slow_one(n) for n in range(1, most + 1)], color=CONTEXT)
    axes.plot(counts, [100 * share for share in found.values()], "o", color=ADMITTED, markersize=5.5,
              clip_on=False, zorder=3)  # fmt: skip
    for n in marked:
        axes.annotate(
            f"{n} calls: {100 * meets_a_slow_one(n):.1f} %",
            (n, 100 * meets_a_slow_one(n)),
            xytext=(10, -10) if n < most else (-4, -26),
            textcoords="offset points",
            ha="left" if n < most else "right",
            va="center",
        )
    axes.set_xlim(0, most)
    axes.set_ylim(0, 70)
    axes.set_xlabel("calls at once for one page")
    axes.set_ylabel("pages that meet the slowest 1 %, per cent")
    label_ends(axes, [Label(most, 100 * meets_a_slow_one(most), "1 \N{MINUS SIGN} 0.99ⁿ", CONTEXT)])
    return figure, found
