"""An outage of the store: what gets through meanwhile, under each policy.

Rule: requests are counted in slices of time by when they were answered, so nothing is smoothed in silence. Admitted
is a blue line, refused an orange, dashed one; the dotted line is the limit, grey is while the gateways are cut
off from the store.

What it does not do: show how long a request waits; the first of an outage do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes

from api_gateway.plotting.fleet.distant_store import Network
from api_gateway.plotting.fleet.fleet import Answer
from api_gateway.plotting.style import ADMITTED, CONTEXT, REFUSED, TRIGGER, Picture, new_figure
from api_gateway.rate_limiting.limit_store import Limit
from api_gateway.rate_limiting.rate_limiter import NANOSECONDS

SLICE = 0.25
"""Seconds."""


class Rates(NamedTuple):
    """Requests per second while the store was out of reach, from when the gateways knew."""

    admitted: float
    refused: float


class _Peak(NamedTuple):
    name: str
    x: float
    y: float
    colour: str


def outage_timeline(
    answers: Mapping[str, Sequence[Answer]], network: Network, limit: Limit, headline: str
) -> tuple[Picture, dict[str, Rates]]:
    """Draw a panel for each policy, and count what it let through and refused during the outage."""
    figure, panels = new_figure(headline, columns=len(answers), width=10, height=3.7)
    for axes, (policy, given) in zip(panels, answers.items(), strict=True):
        axes.axvspan(network.cut_from, network.cut_until, color=TRIGGER, linewidth=0, zorder=0)
        axes.axhline(limit.limit / limit.period, color=CONTEXT, linestyle=":", linewidth=1.4)
        lines = [_line(axes, given, allowed=allowed) for allowed in (False, True)]
        name, x, y, colour = max(lines, key=lambda line: line.y)
        axes.annotate(name, (x, y), xytext=(4, 0), textcoords="offset points", va="center", color=colour)
        axes.set_title(policy)
        axes.set_xlabel("time, seconds")
    panels[0].set_ylabel(f"requests per second, in slices of {SLICE} s")
    panels[0].set_ylim(0)
    end = panels[0].get_xlim()[1]
    panels[-1].annotate("limit", (end, limit.limit / limit.period), va="center", color=CONTEXT, annotation_clip=False)
    return figure, {name: _rates(given, network) for name, given in answers.items()}


def _line(axes: Axes, given: Sequence[Answer], *, allowed: bool) -> _Peak:
    slices = int(max(answer.asked for answer in given) / NANOSECONDS / SLICE)
    counts = Counter(int(answer.answered / NANOSECONDS / SLICE) for answer in given if answer.allowed is allowed)
    rates = [counts[place] / SLICE for place in range(slices)]
    edges = [number * SLICE for number in range(slices + 1)]
    name, colour, style = ("admitted", ADMITTED, "-") if allowed else ("refused", REFUSED, "--")
    axes.stairs(rates, edges, baseline=None, color=colour, linewidth=1.6, linestyle=style)
    highest = rates.index(max(rates))
    return _Peak(name, edges[highest + 1], rates[highest], colour)


def _rates(given: Sequence[Answer], network: Network) -> Rates:
    start, end = network.cut_from + network.timeout, network.cut_until
    within = [answer for answer in given if start * NANOSECONDS < answer.answered < end * NANOSECONDS]
    admitted = sum(answer.allowed for answer in within)
    return Rates(admitted / (end - start), (len(within) - admitted) / (end - start))
