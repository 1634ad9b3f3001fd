"""Percentiles: a line for each policy, from the median to the slowest in a thousand.

Rule: to the right the scale counts nines, so that the tail is as wide as the middle; upwards it is logarithmic. Every
point is the duration of a request that was made: nothing is averaged.

What it does not do: go further right than there are ten requests to speak for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from api_gateway.plotting.style import ADMITTED, CONTEXT, INK, TRIGGER, Label, Picture, label_ends, new_figure

_TICKS = (0.5, 0.9, 0.95, 0.99, 0.999, 0.9999)


def latency_percentiles(
    durations: Mapping[str, Sequence[float]], headline: str, highlighted: Sequence[str] = ()
) -> tuple[Picture, dict[str, dict[float, float]]]:
    """Draw ascending seconds by name, and give the duration at each percentile that is marked."""
    figure, (axes,) = new_figure(headline, height=4.2)
    fewest = min(map(len, durations.values()))
    last = max(1 - 10 / fewest, 0.9)
    ticks = [tick for tick in _TICKS if tick <= last]
    for tick in ticks:
        axes.axvline(_nines(tick), color=TRIGGER, linewidth=0.8, zorder=0)
    shares = [1 - 10 ** -(_nines(0.5) + (_nines(last) - _nines(0.5)) * step / 400) for step in range(401)]
    labels = []
    for name, seconds in durations.items():
        heights = [_at(seconds, share) for share in shares]
        colour = ADMITTED if name in highlighted else INK
        axes.plot([_nines(share) for share in shares], heights, color=colour, drawstyle="steps-post", linewidth=1.4)
        labels.append(Label(_nines(last), heights[-1], name, colour))
    axes.set_yscale("log")
    axes.set_xlim(_nines(0.5), _nines(last))
    axes.set_xticks([_nines(tick) for tick in ticks], [f"{100 * tick:g} %" for tick in ticks])
    axes.set_xlabel("share of the requests that were answered within this time")
    axes.set_ylabel("time to the answer, seconds")
    low, high = axes.get_ylim()
    marks = [10.0**power * step for power in range(-3, 3) for step in (1, 3) if low <= 10.0**power * step <= high]
    axes.set_yticks(marks, [f"{mark:g}" for mark in marks])
    axes.minorticks_off()
    axes.spines["bottom"].set_color(CONTEXT)
    label_ends(axes, labels, apart=0.06)
    return figure, {name: {tick: _at(seconds, tick) for tick in ticks} for name, seconds in durations.items()}


def _nines(share: float) -> float:
    return -math.log10(1 - share)


def _at(seconds: Sequence[float], share: float) -> float:
    return seconds[max(0, math.ceil(share * len(seconds) - 1e-9) - 1)]
