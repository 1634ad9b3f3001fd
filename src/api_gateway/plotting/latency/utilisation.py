"""Utilisation: how long a request takes, by how busy the workers are, for one worker and for several.

Rule: lines are M/M/c, from `plotting/load_balancing/theory.py`; a dot is one simulated run. Both in service times, so
that 1 is a request that nobody keeps waiting. The numbers are theory's.

What it does not do: go to 100 %, where there is no mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from api_gateway.plotting.latency.laboratory import outcomes_of
from api_gateway.plotting.load_balancing.theory import single_queue
from api_gateway.plotting.style import ADMITTED, CONTEXT, Picture, new_figure
from api_gateway.simulation import Exponential

HIGHEST = 18
"""Service times at the top of the figure."""

_MIDDLE = 5  # where lines between the first and the last have their names


def mean_time(workers: int, load: float, requests: int, seed: int = 1) -> float:
    """In service times; the first tenth, when nothing is busy yet, is left out."""
    rate = workers * load
    outcomes = outcomes_of(Exponential(1.0), rate, requests / rate, workers=workers, seed=seed)
    counted = [one.duration for one in outcomes[len(outcomes) // 10 :]]
    return math.fsum(counted) / len(counted)


def time_against_load(
    found: Mapping[int, Mapping[float, Sequence[float]]], headline: str, marked: tuple[float, ...] = (0.8, 0.9)
) -> tuple[Picture, dict[int, dict[float, float]]]:
    """Draw the mean times of several runs by workers and load; give what theory says at the same places."""
    figure, (axes,) = new_figure(headline, height=4.4)
    first, last = min(found), max(found)
    for workers, by_load in found.items():
        curve = [(step / 500, single_queue(step / 500, workers).mean) for step in range(1, 500)]
        curve = [(load, time) for load, time in curve if time <= HIGHEST]
        axes.plot([100 * load for load, _ in curve], [time for _, time in curve], color=CONTEXT, linewidth=1.4)
        for load, times in by_load.items():
            axes.plot([100 * load] * len(times), times, "o", color=ADMITTED, markersize=5.5, alpha=0.6,
                      markeredgewidth=0, clip_on=False, zorder=3)  # fmt: skip
        if workers > first:
            axes.annotate(
                f"{workers} workers",
                (100, 0.8 * HIGHEST)
                if workers == last
                else next((100 * load, time) for load, time in curve if time > _MIDDLE),
                xytext=(6, 0) if workers == last else (-6, 0),
                textcoords="offset points",
                ha="left" if workers == last else "right",
                va="center",
                color=CONTEXT,
                annotation_clip=False,
            )
    axes.annotate(f"{first} worker", (60, single_queue(0.6, first).mean), xytext=(-6, 8), textcoords="offset points",
                  ha="right", color=CONTEXT)  # fmt: skip
    for load in marked:
        time = single_queue(load, first).mean
        axes.annotate(f"{time:.0f}", (100 * load, time), xytext=(9, -6), textcoords="offset points")
    axes.set_xlim(0, 100)
    axes.set_ylim(0, HIGHEST)
    axes.set_xticks(range(0, 101, 10))
    axes.set_yticks([1, 5, 10, 15])
    axes.set_xlabel("utilisation: share of the time that workers are busy, per cent")
    axes.set_ylabel("mean time to the answer, service times")
    return figure, {workers: {load: single_queue(load, workers).mean for load in one} for workers, one in found.items()}
