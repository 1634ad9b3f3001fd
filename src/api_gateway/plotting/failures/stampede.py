"""Stampede: an answer that everybody wants has just expired, and everybody asks for it again.

Rule (single flight): the first one who finds nothing asks the service; whoever comes until there is an answer waits
for that. N calls become 1. The gateway's cache has it (`middleware/cache/flight.py`), the one that tutorials write has
not (`plotting/caching/seeds.py`).

Rule (early expiry, "XFetch"): each request may ask anew before the answer expires, the likelier the nearer its end is
(`caching/early_refresh.py`). It needs no lock, and so works across gateways.

What it does not do: more than this scenario asks. `plotting/caching/` has the theory, and what happens besides.

Source: A. Vattani, F. Chierichetti, K. Lowenstein, "Optimal probabilistic cache stampede prevention", VLDB 2015.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple

from matplotlib.axes import Axes

from api_gateway.plotting.caching.early import how_many, mean_of
from api_gateway.plotting.caching.laboratory import Origin, gateway_with, gateway_with_cache
from api_gateway.plotting.caching.seeds import SeedCache
from api_gateway.plotting.style import ADMITTED, INK, Picture, new_figure
from api_gateway.simulation import Experiment, FakeService, run

_LASTS = 60  # seconds for which the page is good


class Stampede(NamedTuple):
    """What became of those who asked at once."""

    calls: int
    """That the database had to do."""
    answered: Sequence[float]
    """Seconds until each had an answer, the quickest first."""
    queue: Sequence[tuple[float, float]]
    """What the database had to do, over time since they asked."""


def stampede(*, single_flight: bool, requests: int = 1000, workers: int = 10, takes: float = 0.05) -> Stampede:
    """So many ask at the moment at which a page that was there runs out."""

    async def main() -> Stampede:
        database = FakeService(takes, workers=workers, random=Random(1))
        page = Origin(database, {"cache-control": f"max-age={_LASTS}"})
        gateway = gateway_with_cache(page) if single_flight else gateway_with(page, SeedCache(_LASTS))
        experiment = Experiment(gateway, "/front-page")
        experiment.watch("present", lambda: database.present)
        await experiment.send()
        await asyncio.sleep(_LASTS - asyncio.get_running_loop().time())
        experiment.outcomes.clear()
        async with experiment.sampling(takes / 2), asyncio.TaskGroup() as group:
            for _ in range(requests):
                group.create_task(_send(experiment))
        queue = [(time - _LASTS, present) for time, present in experiment.series["present"]]
        return Stampede(len(page.asked) - 1, experiment.durations(200), queue)

    return run(main)


async def _send(experiment: Experiment) -> None:
    await experiment.send()


def recomputations(beta: float, *, rate: float = 1000.0, takes: float = 0.2, rounds: int = 200, seed: int = 1) -> float:
    """How often on average an answer is asked for again each time that it expires; `beta` 0 is without early expiry."""
    return mean_of(how_many(beta, rate, takes, rounds, seed))


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
