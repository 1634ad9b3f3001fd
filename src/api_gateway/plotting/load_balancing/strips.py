"""Load strips: every server a line, every policy a panel, time to the right; the darker, the more it has to do.

Rule: the shade is the number of requests at a server, at work or waiting, on a log scale: from 0 (white) to the
most of all panels. Every policy met the same arrivals and the same fault, whose time is between the two strokes.

What it does not do: smooth. A cell is one sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy
from matplotlib.colors import LinearSegmentedColormap, LogNorm

from api_gateway.plotting.load_balancing.laboratory import Trial
from api_gateway.plotting.style import ADMITTED, CONTEXT, INK, Picture, new_figure

_SHADES = LinearSegmentedColormap.from_list("load", ["#eef4f9", "#9ccbe8", ADMITTED, "#0b3a5e", "#04121f"])
_CALM = 5  # requests, which a healthy server also has now and then


class Noticed(NamedTuple):
    """How a policy dealt with a server that became slow."""

    share: float
    """Of the requests while it was slow, to the slow server."""
    most: float
    """Requests at the slow server, at the worst."""
    back: float
    """Seconds after the fault until the server had no more to do than it is used to, for good."""


def load_strips(
    trials: Mapping[str, Trial], server: int, slow: tuple[float, float], headline: str
) -> tuple[Picture, dict[str, Noticed]]:
    """Draw `trials` in which one server was slow between two seconds, and say how each noticed."""
    noticed = {name: _noticed(trial, server, slow) for name, trial in trials.items()}
    figure, panels = new_figure(headline, rows=len(trials), height=1.5 + 0.78 * len(trials))
    most = max(max(map(max, trial.loads)) for trial in trials.values())
    norm = LogNorm(1, most)
    for axes, (name, trial) in zip(panels, trials.items(), strict=True):
        cells = numpy.array(trial.loads)
        extent = (0.0, cells.shape[1] * trial.every, cells.shape[0] - 0.5, -0.5)
        shown = axes.imshow(cells, norm=norm, cmap=_SHADES, aspect="auto", extent=extent, interpolation="nearest")
        for second in slow:
            axes.axvline(second, color=INK, linewidth=0.9, linestyle=(0, (2, 2)))
        axes.set_yticks([])
        axes.set_ylabel(name, rotation=0, ha="right", va="center", color=INK)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.tick_params(axis="x", length=0)
        one = noticed[name]
        axes.annotate(
            f"{one.share:.1%} of requests\n{one.most:,.0f} of them at worst",
            (1, 0.5),
            xycoords="axes fraction",
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
        )
    panels[0].annotate(f"server {server + 1} of {len(trials[name].loads)} is slow", (sum(slow) / 2, -0.8), ha="center",
                       va="bottom", annotation_clip=False)  # fmt: skip
    panels[0].annotate("the slow server had", (1, 1), xycoords="axes fraction", xytext=(8, 3),
                       textcoords="offset points", va="bottom", color=CONTEXT, fontsize=8.5)  # fmt: skip
    panels[-1].set_xlabel("time, seconds")
    panels[-1].tick_params(axis="x", length=3)
    bar = figure.colorbar(shown, ax=panels, location="bottom", aspect=60, fraction=0.03, pad=0.02)
    bar.set_label("requests at a server")
    bar.minorticks_off()
    bar.outline.set_visible(False)
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500) if tick <= most]
    bar.set_ticks(ticks, labels=[str(tick) for tick in ticks])
    return figure, noticed


def _noticed(trial: Trial, server: int, slow: tuple[float, float]) -> Noticed:
    load = trial.loads[server]
    busy = [number * trial.every for number, value in enumerate(load) if value > _CALM]
    return Noticed(trial.share_to(server, *slow), max(load), max(0.0, max(busy, default=0.0) - slow[1]))
