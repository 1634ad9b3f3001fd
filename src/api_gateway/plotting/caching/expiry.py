"""Expiry: a thousand ask at the moment at which what they want has run out.

A page is good for 5 s, and 1,000 clients ask for it each second, on the second: an app that refreshes by the clock. Its
origin has ten workers and takes 20 ms, so it does 500 a second. It also does other things, 100 a second, which nobody
caches: they stand in the same queue.

Rule: requests are counted where the origin gets them, in bins of 100 ms. A wait is from a request to the end of its
answer.

What it does not do: let clients give up. In a real crowd they would, and ask again (notebook 05).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple

from matplotlib.axes import Axes

from api_gateway.plotting.caching.laboratory import Clients, Got, Origin, gateway_with, gateway_with_cache
from api_gateway.plotting.caching.seeds import SeedCache
from api_gateway.plotting.style import ADMITTED, CONTEXT, INK, REFUSED, TRIGGER, Picture, new_figure
from api_gateway.simulation import FakeService, Steady, open_loop, run

LASTS = 5.0
"""Seconds for which the page is good."""
TAKES, WORKERS = 0.02, 10
CAPACITY = WORKERS / TAKES
"""Requests a second that the origin can do."""

_FROM, _TO = 4.0, 9.0
_BIN = 0.1
_SHORT = 0.1  # seconds; no wait that can be seen


class Crowd(NamedTuple):
    """What became of all. Times are seconds."""

    asked: Sequence[float]
    """When the origin was asked for the page."""
    others: Sequence[float]
    """When it was asked for something else."""
    page: Sequence[Got]
    rest: Sequence[Got]

    def at_expiry(self) -> int:
        """How many requests for the page the origin got within a second from its expiry."""
        return sum(LASTS <= time < LASTS + 1 for time in self.asked)


def at_expiry(*, single_flight: bool, clients: int = 1000, seed: int = 1) -> Crowd:
    """Let them ask before a cache that has single flight (the gateway's own) or has not (the seed's)."""

    async def main() -> Crowd:
        loop = asyncio.get_running_loop()
        service = FakeService(TAKES, workers=WORKERS, random=Random(seed))
        page = Origin(service, {"cache-control": f"max-age={LASTS:.0f}"})
        others = Origin(service, {"cache-control": "no-store"})
        gateway = gateway_with_cache(page) if single_flight else gateway_with(page, SeedCache(LASTS))
        cached, uncached = Clients(gateway, "/scores"), Clients(gateway_with(others), "/basket")
        async with asyncio.TaskGroup() as group:
            group.create_task(cached.crowd(1))  # at 0, so that it runs out at 5
            group.create_task(open_loop(Steady(100), _TO, uncached.ask, Random(f"others {seed}")))
            for second in range(int(_FROM), int(_TO)):
                await asyncio.sleep(second - loop.time())
                group.create_task(cached.crowd(clients))
        return Crowd(page.asked, others.asked, cached.got, uncached.got)

    return run(main)


class Felt(NamedTuple):
    """What a crowd was for whoever was there."""

    asked: int
    """Requests for the page that the origin got at the expiry."""
    page: float
    """Seconds of the longest wait for the page."""
    rest: float
    """Seconds of the longest wait for anything else."""


def load_at_expiry(crowds: Mapping[str, Crowd], headline: str) -> tuple[Picture, dict[str, Felt]]:
    """Draw what the origin is asked and what clients wait, a column each."""
    figure, panels = new_figure(headline, rows=2, columns=len(crowds), width=10, height=5.6, shared=False)
    loads, waits = panels[: len(crowds)], panels[len(crowds) :]
    highest = max(max(_bins(each.asked)) for each in crowds.values())
    for axes, (name, crowd) in zip(loads, crowds.items(), strict=True):
        _loads(axes, crowd, highest)
        axes.set_title(f"{name}: {crowd.at_expiry():,} to the origin")
    for axes, crowd in zip(waits, crowds.values(), strict=True):
        _waits(axes, crowd)
        longest = _felt(crowd).page
        if longest < _SHORT:
            axes.annotate(f"{1000 * longest:.0f} ms at most", (LASTS, 0.12), xytext=(8, 0), textcoords="offset points")
    loads[0].set_ylabel("requests to the origin\nin 100 ms")
    waits[0].set_ylabel("wait for the answer,\nseconds")
    for axes in (*loads[1:], *waits[1:]):
        axes.tick_params(labelleft=False)
    _names(loads[0], waits[0])
    return figure, {name: _felt(crowd) for name, crowd in crowds.items()}


def _felt(crowd: Crowd) -> Felt:
    longest = (max(got.duration for got in group if got.sent >= LASTS - 1) for group in (crowd.page, crowd.rest))
    return Felt(crowd.at_expiry(), *longest)


def _bins(times: Sequence[float]) -> list[int]:
    count = round((_TO - _FROM) / _BIN)
    places = [int((time - _FROM) / _BIN + 1e-6) for time in times]
    return [places.count(place) for place in range(count)]


def _loads(axes: Axes, crowd: Crowd, highest: float) -> None:
    edges = [_FROM + _BIN * number for number in range(round((_TO - _FROM) / _BIN) + 1)]
    axes.axvline(LASTS, color=TRIGGER, linewidth=4, zorder=0)
    axes.axhline(CAPACITY * _BIN, color=INK, linestyle=":", linewidth=1.2)
    axes.stairs(_bins(crowd.others), edges, baseline=None, color=CONTEXT, linewidth=1.3)
    axes.stairs(_bins(crowd.asked), edges, fill=True, color=REFUSED if crowd.at_expiry() > 1 else ADMITTED)
    axes.set_yscale("symlog", linthresh=1, linscale=0.4)
    axes.set_ylim(0, 2 * highest)
    axes.set_yticks([0, 1, 10, 100, 1000], ["0", "1", "10", "100", "1,000"])
    axes.set_xlim(_FROM, _TO)
    axes.tick_params(labelbottom=False)
    axes.minorticks_off()


def _waits(axes: Axes, crowd: Crowd) -> None:
    axes.axvline(LASTS, color=TRIGGER, linewidth=4, zorder=0)
    for group, colour, size in ((crowd.page, ADMITTED, 3.5), (crowd.rest, INK, 2.4)):
        shown = sorted({(round(got.sent, 3), round(got.duration, 3)) for got in group if got.sent >= _FROM})
        axes.plot([sent for sent, _ in shown], [wait for _, wait in shown], "o", color=colour, markersize=size,
                  markeredgewidth=0, alpha=0.75, clip_on=False)  # fmt: skip
    axes.set_xlim(_FROM, _TO)
    axes.set_ylim(0, 2.6)
    axes.set_xlabel("time, seconds; the page runs out at 5")


def _names(load: Axes, wait: Axes) -> None:
    load.annotate("what it can do", (_TO, CAPACITY * _BIN), xytext=(0, 3), textcoords="offset points", ha="right")
    load.annotate("everything else", (_TO, 4.5), ha="right", va="top", color=CONTEXT)
    load.annotate("the page", (LASTS + _BIN, 300), xytext=(5, 0), textcoords="offset points", color=REFUSED)
    wait.annotate("everything else", (6.3, 1.1), color=INK)
    wait.annotate("the page", (LASTS, 2.3), xytext=(6, 0), textcoords="offset points", color=ADMITTED)
