"""Costs: CPU time of one request, layer by layer, and of one call to a service by each transport.

Rule: left, each layer's bar begins where the one before ended, so that the last one ends at the whole. Right, the whole
is compared with what a call by each transport takes, on the same machine in the same minute.

What it does not do: measure. `python -m benchmarks pipeline` and `python -m benchmarks transport` do.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from api_gateway.plotting.style import ADMITTED, CONTEXT, INK, TRIGGER, Picture, new_figure


def layers_and_transports(
    layers: Mapping[str, float], transports: Mapping[str, float], headline: str
) -> tuple[Picture, dict[str, float]]:
    """Draw microseconds of CPU.

    Args:
        layers: in the order in which they were added, each with all before it; the first is the service itself.
        transports: of one call to a service on this machine.
        headline: what it shows.

    Returns:
        What each layer adds, and `all layers`, without the service itself; and each transport.
    """
    adds = {name: after - before for (_, before), (name, after) in pairwise(layers.items())}
    first = next(iter(layers.values()))
    figure, (left, right) = new_figure(headline, columns=2, height=1.3 + 0.36 * len(adds), shared=False)
    begin = 0.0
    for row, (name, cost) in enumerate(adds.items()):
        left.barh(row, max(cost, 0.03), 0.58, begin, color=ADMITTED)
        if row + 1 < len(adds):
            left.vlines(begin + cost, row + 0.29, row + 0.71, color=CONTEXT, linewidth=0.8)
        left.annotate(f"{max(cost, 0):.1f}", (begin + max(cost, 0), row), xytext=(5, 0), textcoords="offset points",
                      va="center")  # fmt: skip
        begin = layers[name] - first
    left.set_yticks(range(len(adds)), [name.removeprefix("+ ").replace(" (", "\n(") for name in adds])
    left.set_ylim(len(adds) - 0.5, -0.5)
    left.set_xlim(0, 1.12 * begin)
    left.locator_params(axis="x", integer=True, nbins=6)
    left.set_title("through the gateway's layers")
    whole = {"all layers": begin, **{f"a call by {name}": cost for name, cost in transports.items()}}
    for row, (name, cost) in enumerate(whole.items()):
        right.axhline(row, color=TRIGGER, linewidth=0.8, zorder=0)
        right.plot([cost], [row], "o", color=ADMITTED if name == "all layers" else INK, markersize=7)
        right.annotate(f"{cost:,.0f}", (cost, row), xytext=(0, 8), textcoords="offset points", ha="center")
    right.set_xscale("log")
    right.set_xlim(min(whole.values()) / 2, max(whole.values()) * 2)
    marks = [mark for mark in (1, 3, 10, 30, 100, 300, 1000, 3000) if right.get_xlim()[0] < mark]
    marks = [mark for mark in marks if mark < right.get_xlim()[1]]
    right.minorticks_off()
    right.set_xticks(marks, [f"{mark:,}" for mark in marks])
    right.set_yticks(range(len(whole)), list(whole))
    right.set_ylim(len(whole) - 0.5, -0.6)
    right.set_title("beside a call to a service")
    for axes in (left, right):
        axes.set_xlabel("CPU time, microseconds")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
    return figure, {**adds, **whole}
