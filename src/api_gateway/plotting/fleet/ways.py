"""Ways to share a limit, side by side: what each gives away, refuses wrongly, and makes requests wait.

Rule: a row for each way and a panel for each price, on its own scale in percent of the requests. A filled dot is
traffic that a load balancer spreads evenly, a hollow one traffic of which most comes to one gateway. Admissions are
blue, refusals orange; waiting is neither, and in ink.

What it does not do: rank them. Which price hurts depends on what the limit is for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from api_gateway.plotting.style import ADMITTED, INK, REFUSED, TRIGGER, Picture, new_figure


def prices_of_ways(
    too_many: Mapping[str, Sequence[float]],
    wrong: Mapping[str, Sequence[float]],
    waited: Mapping[str, Sequence[float]],
    headline: str,
) -> Picture:
    """Draw three shares for each way: with even traffic, and with uneven. The names are those of `too_many`."""
    figure, panels = new_figure(headline, columns=3, width=10, height=1.3 + 0.42 * len(too_many), shared=False)
    _panel(panels[0], too_many, ADMITTED, "admitted too many", "at 3 times the limit")
    _panel(panels[1], wrong, REFUSED, "refused wrongly", "at 90 % of the limit")
    _panel(panels[2], waited, INK, "waited for the store", "at 90 % of the limit")
    panels[0].set_yticks(range(len(too_many)), list(too_many))
    row, (even, uneven) = max(enumerate(too_many.values()), key=lambda pair: abs(pair[1][0] - pair[1][1]))
    for share, text in ((even, "even"), (uneven, "uneven")):
        panels[0].annotate(
            text, (100 * share, row), xytext=(0, -7), textcoords="offset points", ha="center", va="top", color=ADMITTED
        )
    return figure


def _panel(axes: Axes, shares: Mapping[str, Sequence[float]], colour: str, title: str, load: str) -> None:
    most = max(max(pair) for pair in shares.values())
    for row, (even, uneven) in enumerate(shares.values()):
        axes.axhline(row, color=TRIGGER, linewidth=0.8, zorder=0)
        axes.plot([100 * even, 100 * uneven], [row, row], color=colour, linewidth=1.2)
        axes.plot([100 * uneven], [row], "o", color=colour, markerfacecolor="white", clip_on=False)
        axes.plot([100 * even], [row], "o", color=colour, markersize=4.5, clip_on=False)
    axes.set_title(title)
    axes.set_xlabel(f"% of requests, {load}")
    axes.set_xlim(-4 * most, 108 * most)
    axes.set_ylim(len(shares) - 0.5, -0.5)
    axes.set_yticks([])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
