"""Costs: what a decision takes of time and a key of memory, ours beside those of other libraries.

Rule: a row for each limiter, cheapest first, and a dot for each of the two costs, on log scales, because they
differ tenfold. Ours are filled and in ink, the others hollow and grey: no colour, as nothing is admitted or
refused here.

What it does not do: measure. The benchmarks do, and whoever draws hands their numbers in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from matplotlib.axes import Axes

from api_gateway.plotting.style import CONTEXT, INK, TRIGGER, Picture, new_figure


class Cost(NamedTuple):
    """Of one limiter."""

    nanoseconds: float
    """CPU time of one decision."""
    bytes: float
    """Memory of one key."""
    ours: bool


def costs_beside_peers(costs: Mapping[str, Cost], headline: str) -> tuple[Picture, dict[str, float]]:
    """Draw the costs by name; give the cheapest and dearest of each kind.

    The numbers are `ours_slowest`, `peers_fastest`, in nanoseconds, and `ours_largest`, `peers_smallest`, in
    bytes.
    """
    ordered = dict(sorted(costs.items(), key=lambda item: -item[1].nanoseconds))
    figure, (left, right) = new_figure(headline, columns=2, width=9, height=1.2 + 0.34 * len(costs), shared=False)
    _panel(left, ordered, lambda cost: cost.nanoseconds)
    _panel(right, ordered, lambda cost: cost.bytes)
    left.set_yticks(range(len(ordered)), list(ordered))
    for label, cost in zip(left.get_yticklabels(), ordered.values(), strict=True):
        label.set_color(INK if cost.ours else CONTEXT)
    right.set_yticks([])
    left.set_xlabel("CPU time of a decision, nanoseconds")
    right.set_xlabel("memory of a key, bytes")
    ours = [cost for cost in costs.values() if cost.ours]
    peers = [cost for cost in costs.values() if not cost.ours]
    return figure, {
        "ours_slowest": max(cost.nanoseconds for cost in ours),
        "peers_fastest": min(cost.nanoseconds for cost in peers),
        "ours_largest": max(cost.bytes for cost in ours),
        "peers_smallest": min(cost.bytes for cost in peers),
    }


def _panel(axes: Axes, costs: Mapping[str, Cost], of: Callable[[Cost], float]) -> None:
    values = [of(cost) for cost in costs.values()]
    least, most = min(values) / 1.4, max(values) * 2
    axes.set_xscale("log")
    axes.set_xlim(least, most)
    for row, cost in enumerate(costs.values()):
        colour = INK if cost.ours else CONTEXT
        axes.axhline(row, color=TRIGGER, linewidth=0.8, zorder=0)
        axes.plot([of(cost)], [row], "o", color=colour, markerfacecolor=colour if cost.ours else "white")
        axes.annotate(
            f"{of(cost):,.0f}", (of(cost), row), xytext=(0, 6), textcoords="offset points", ha="center", color=colour
        )
    ticks = [tick for tick in _ROUND if least <= tick <= most]
    axes.minorticks_off()
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


_ROUND = [10**power * step for power in range(7) for step in (1, 2, 5)]
