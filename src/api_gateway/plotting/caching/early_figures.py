"""Early refresh in pictures: what clients wait over time, when the first refresh begins, whether it is back, how many.

Rule: dots and bars are simulated, grey lines and rings are theory (`early.py`). `waits` goes through the whole gateway
with the real cache; the others call only the function that draws.

What it does not do: compute theory.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple

from matplotlib.axes import Axes

from api_gateway.plotting.caching.early import begins_before, mean_of, so_many, too_late
from api_gateway.plotting.caching.laboratory import Clients, Got, Origin, gateway_with_cache
from api_gateway.plotting.style import ADMITTED, CONTEXT, INK, REFUSED, TRIGGER, Picture, new_figure
from api_gateway.simulation import FakeService, Steady, open_loop, run

_NAMED = 0.55  # the height at which a curve has its name
_BETA = "\N{GREEK SMALL LETTER BETA}"


class Waits(NamedTuple):
    """What became of a page's clients."""

    got: Sequence[Got]
    asked: Sequence[float]
    """Seconds at which the origin was asked."""

    def waited(self) -> int:
        """How many waited at all, after the first answer was there."""
        return sum(got.duration > 0 for got in self.got if got.sent >= 1)


def waits(beta: float, *, rate: float = 100.0, takes: float = 0.2, lasts: int = 5, seconds: float = 20.0,
          seed: int = 1) -> Waits:  # fmt: skip
    """Let clients ask a gateway for a page that is good for `lasts` seconds and takes `takes` to make."""

    async def main() -> Waits:
        service = FakeService(takes, workers=1000, random=Random(seed))
        origin = Origin(service, {"cache-control": f"max-age={lasts}"})
        async with gateway_with_cache(origin, {"early_refresh": beta}, seed=seed) as gateway:
            clients = Clients(gateway)
            await open_loop(Steady(rate), seconds, clients.ask, Random(f"arrivals {seed}"))
        return Waits(clients.got, origin.asked)

    return run(main)


def waits_over_time(found: Mapping[str, Waits], headline: str) -> tuple[Picture, dict[str, int]]:
    """Draw what clients wait, a panel each, and when the origin is asked; give how many waited."""
    figure, panels = new_figure(headline, rows=len(found), height=1.1 + 1.55 * len(found))
    for axes, (name, each) in zip(panels, found.items(), strict=True):
        for time in each.asked:
            axes.axvline(time, color=TRIGGER, linewidth=3, zorder=0)
        quick = [got for got in each.got if not got.duration]
        slow = [got for got in each.got if got.duration]
        for group, colour in ((quick, ADMITTED), (slow, REFUSED)):
            axes.plot([got.sent for got in group], [1000 * got.duration for got in group], "o", color=colour,
                      markersize=3, markeredgewidth=0, clip_on=False)  # fmt: skip
        waited = each.waited()
        axes.set_title(f"{name}: {waited or 'nobody'} wait{'s' if not waited else ''} after the first answer")
        axes.set_ylabel("wait, milliseconds")
        axes.spines["bottom"].set_visible(axes is panels[-1])
        axes.tick_params(axis="x", length=3 if axes is panels[-1] else 0)
    panels[0].annotate("the origin is asked", (next(iter(found.values())).asked[1], 1),
                       xycoords=("data", "axes fraction"), xytext=(4, -2), textcoords="offset points", va="top",
                       color=CONTEXT)  # fmt: skip
    panels[-1].set_xlim(0, 20)
    panels[-1].set_xticks(range(0, 21, 5))
    panels[-1].set_ylim(-6, 215)
    panels[-1].set_xlabel("time, seconds")
    return figure, {name: each.waited() for name, each in found.items()}


def moments(
    found: Mapping[float, Sequence[float]], rate: float, takes: float, headline: str
) -> tuple[Picture, dict[float, float]]:
    """Draw when the first refresh begins, by beta, beside theory; give the average seconds before the end."""
    figure, (axes,) = new_figure(headline, height=4.1)
    farthest = math.ceil(2 * max(each[len(each) * 49 // 50] for each in found.values())) / 2
    axes.axvspan(-takes, 0, color=TRIGGER, linewidth=0, zorder=0)
    for beta, begun in found.items():
        span = [farthest * step / 200 for step in range(201)]
        axes.plot([-each for each in span], [100 * begins_before(each, beta, rate, takes) for each in span],
                  color=CONTEXT, linewidth=1.4)  # fmt: skip
        shares = [share / 20 for share in range(1, 20)]
        marks = [begun[int((1 - share) * len(begun))] for share in shares]
        axes.plot([-mark for mark in marks], [100 * share for share in shares], "o", color=ADMITTED, markersize=4.5)
        # Low, where the curves are far apart.
        axes.annotate(f"{_BETA} = {beta:g}", (-marks[4], 25), xytext=(-10, 2), textcoords="offset points", ha="right",
                      va="center")  # fmt: skip
    axes.annotate("too late to be\nback in time", (0, 50), xytext=(7, 0), textcoords="offset points", va="center",
                  color=CONTEXT, annotation_clip=False)  # fmt: skip
    axes.set_xlim(-farthest, 0)
    axes.set_ylim(0, 100)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("when the first refresh begins, seconds from the end of the lifetime")
    axes.set_ylabel("of all rounds, per cent")
    return figure, {beta: math.fsum(begun) / len(begun) for beta, begun in found.items()}


def lateness(
    found: Mapping[float, Mapping[float, float]], headline: str
) -> tuple[Picture, dict[float, dict[float, float]]]:
    """Draw the share of rounds in which the refresh was not back in time, by beta and requests for each effort.

    Give what theory says at the same places.
    """
    figure, (axes,) = new_figure(headline, height=3.7)
    spread = [each for by_load in found.values() for each in by_load]
    least, most = min(spread), max(spread)
    curve = [least * (most / least) ** (step / 100) for step in range(101)]
    for beta, by_load in found.items():
        axes.plot(curve, [100 * too_late(beta, each) for each in curve], color=CONTEXT, linewidth=1.4)
        axes.plot(list(by_load), [100 * share for share in by_load.values()], "o", color=REFUSED, clip_on=False,
                  markersize=5, zorder=3)  # fmt: skip
        middle = next(each for each in curve if too_late(beta, each) < _NAMED)
        axes.annotate(f"{_BETA} = {beta:g}", (middle, 100 * _NAMED), xytext=(7, 2), textcoords="offset points",
                      va="bottom")  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(least, most)
    axes.set_ylim(0, 100)
    ticks = next(iter(found.values()))
    axes.set_xticks(list(ticks), [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("requests that come while the page is made once")
    axes.set_ylabel("not back in time, per cent")
    return figure, {beta: {each: too_late(beta, each) for each in by_load} for beta, by_load in found.items()}


def crowds_of_refreshes(
    found: Mapping[float, Counter[int]], headline: str, most: int = 10
) -> tuple[Picture, dict[float, float]]:
    """Draw how many begin a refresh, by beta, a panel each, beside theory; give the averages."""
    figure, panels = new_figure(headline, columns=len(found), width=10, height=3.7)
    for axes, (beta, counts) in zip(panels, found.items(), strict=True):
        _bars(axes, beta, counts, range(1, most + 1))
        axes.set_title(f"{_BETA} = {beta:g}: {mean_of(counts):.2f} on average, theory {math.exp(1 / beta):.2f}")
        axes.set_xlabel("refreshes begun before the first is back")
    panels[0].annotate("rings: theory", (3.4, 100 * so_many(3, min(found))), xytext=(6, 4), textcoords="offset points")
    panels[0].set_ylabel("of all rounds, per cent")
    return figure, {beta: mean_of(counts) for beta, counts in found.items()}


def _bars(axes: Axes, beta: float, counts: Counter[int], numbers: Sequence[int]) -> None:
    axes.bar(numbers, [100 * counts[number] / counts.total() for number in numbers], 0.7, color=ADMITTED)
    axes.plot(numbers, [100 * so_many(number, beta) for number in numbers], "o", color=INK, markersize=4.5,
              markerfacecolor="white", zorder=3, clip_on=False)  # fmt: skip
    axes.set_xticks([1, *numbers[1::2]])
