"""Fate: for each load and number of retries, how long a service is down after its trigger has gone, or for ever.

Rule: a cell is a simulation of its own, of a small service (`CAPACITY`) that was ten times slower for `SLOW` seconds.
It is well again once the wait in its queue is at most half a timeout: from there on calls are answered in time, so
nobody tries again. If it is not after `HORIZON` seconds, it is on its way (`math.inf`) if the queue is shorter than at
the trigger's end, and stuck (None) if it is not.

Theory: with load rho and r retries a service in which every call comes too late is asked rho * (1 + r) of its
capacity. Below 1 the queue empties, above 1 it grows, whatever began it. So the boundary is rho = 1 / (1 + r).
With a budget of beta instead, it is rho = 1 / (1 + beta).

What it does not do: wait for those on their way. Near the boundary they take long, and chance has a part in it.

Source: N. Bronson et al., "Metastable failures in distributed systems", HotOS 2021.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import TypeAlias

import numpy
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from api_gateway.plotting.retry_storms.laboratory import SLOWER, TIMEOUT, Setup, gateway_before, service_of
from api_gateway.plotting.style import ADMITTED, INK, REFUSED, Picture, new_figure
from api_gateway.simulation import Experiment, Fault, Steady, open_loop, run

CAPACITY = 20
"""Requests a second: a fifth of the other acts, because there are many cells."""
SLOW = 5.0
"""Seconds."""
HORIZON = 20.0
"""Seconds after the trigger."""

SEED = 4
"""Of the first six, the one whose arrivals are nearest to their mean: over so short a time others are 5 % off."""

Fates: TypeAlias = Mapping[int, Sequence[float | None]]
"""By retries, for each load: seconds until it was well again, infinite for later, None for stuck."""

_SHADES = LinearSegmentedColormap.from_list("down", ["#e3eef7", "#b9d7eb", "#6aaed6", ADMITTED])


def fate(setup: Setup, load: float, *, seed: int = SEED) -> float | None:
    """Seconds from the trigger's end until the service was well again; see the module for infinite and None."""

    async def main() -> float | None:
        loop = asyncio.get_running_loop()
        service = service_of(setup, CAPACITY, Fault("slow", 0, SLOW, factor=SLOWER), Random(f"service {seed}"))
        experiment = Experiment(gateway_before(service, setup, Random(f"gateway {seed}")))
        traffic = open_loop(Steady(load * CAPACITY), SLOW + HORIZON, experiment.send, Random(f"arrivals {seed}"))
        sending = asyncio.create_task(traffic, name="traffic")
        await asyncio.sleep(SLOW)
        behind = service.queued
        while service.queued > CAPACITY * TIMEOUT / 2 and loop.time() < SLOW + HORIZON:  # noqa: ASYNC110  # a sample
            await asyncio.sleep(0.5)
        sending.cancel()
        await asyncio.wait([sending])
        if loop.time() < SLOW + HORIZON:
            return loop.time() - SLOW
        return math.inf if service.queued < behind else None

    return run(main)


def fates(
    loads: Sequence[float], retries: Sequence[int], queue: int | None = None, *, seed: int = SEED
) -> dict[int, list[float | None]]:
    """A cell for each load and number of retries."""
    return {number: [fate(Setup(number, queue=queue), load, seed=seed) for load in loads] for number in retries}


def maps_of_fate(maps: Mapping[str, Fates], loads: Sequence[float], headline: str) -> tuple[Picture, dict[str, float]]:
    """Draw a map for each name, with theory's boundary; the share of the cells of each that are stuck."""
    figure, panels = new_figure(headline, columns=len(maps), width=9.5, height=4.6)
    for axes, (name, by_retries) in zip(panels, maps.items(), strict=True):
        _cells(axes, by_retries, loads)
        axes.set_title(name)
        axes.set_xlabel("retries for each request")
    panels[0].set_ylabel("load, share of the capacity")
    _boundary(panels[0], next(iter(maps.values())), loads)
    return figure, {name: _share_stuck(by_retries) for name, by_retries in maps.items()}


def _share_stuck(by_retries: Fates) -> float:
    cells = [cell for column in by_retries.values() for cell in column]
    return cells.count(None) / len(cells)


def _cells(axes: Axes, by_retries: Fates, loads: Sequence[float]) -> None:
    cells = numpy.array(
        [[HORIZON if cell is None else min(cell, HORIZON) for cell in column] for column in by_retries.values()]
    ).T
    axes.imshow(cells, cmap=_SHADES, vmin=0, vmax=HORIZON, origin="lower", aspect="auto")
    for x, column in enumerate(by_retries.values()):
        for y, cell in enumerate(column):
            if cell is None:
                axes.fill([x - 0.5, x + 0.5, x + 0.5, x - 0.5], [y - 0.5, y - 0.5, y + 0.5, y + 0.5], color=REFUSED,
                          linewidth=0)  # fmt: skip
            dark = cell is None or cell > 0.6 * HORIZON
            text = "stuck" if cell is None else f"> {HORIZON:.0f} s" if cell == math.inf else f"{cell:.0f} s"
            axes.annotate(text, (x, y), ha="center", va="center", fontsize=8, color="white" if dark else INK)
    axes.set_xticks(range(len(by_retries)), [str(number) for number in by_retries])
    axes.set_yticks(range(len(loads)), [f"{load:.0%}" for load in loads])
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)


def _boundary(axes: Axes, by_retries: Fates, loads: Sequence[float]) -> None:
    """Where load * (1 + retries) is 1, as a step in each column."""
    heights = [float(numpy.interp(1 / (1 + number), loads, range(len(loads)))) for number in by_retries]
    rows = [height if number else len(loads) - 0.5 for number, height in zip(by_retries, heights, strict=True)]
    edges = [number - 0.5 for number in range(len(rows) + 1)]
    axes.stairs(rows, edges, baseline=None, color=INK, linewidth=2.4)
    axes.annotate("theory: load \u00d7 (1 + retries) = 1", (1, 1), xycoords="axes fraction", xytext=(0, 4),
                  textcoords="offset points", va="bottom", ha="right", annotation_clip=False)  # fmt: skip
