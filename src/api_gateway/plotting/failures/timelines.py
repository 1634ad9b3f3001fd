"""Timelines: what clients get over time, before and after, on the same axes.

Rule: requests are counted in slices of time by when they were *sent*, so a slice shows what became of those who
asked then, and nothing is smoothed. A blue line is useful answers in time, an orange dashed one everything else; the
grey area is the trigger. The line that a panel is about has its name beside it.

What it does not do: hide late answers. An answer that comes after its client has gone counts as failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes

from api_gateway.plotting.failures.laboratory import is_good
from api_gateway.plotting.style import ADMITTED, INK, REFUSED, TRIGGER, Picture, new_figure
from api_gateway.simulation import Outcome


class Felt(NamedTuple):
    """What clients got who asked during the trigger."""

    asked: int
    failed: int

    @property
    def failed_share(self) -> float:
        """Of those that asked."""
        return self.failed / self.asked


class Panel(NamedTuple):
    """One run, and what it is a run of."""

    title: str
    outcomes: Sequence[Outcome]
    series: Sequence[tuple[float, float]] = ()
    """Something else that was watched, drawn below."""
    trigger: tuple[float, float] | None = None
    """Where it is not the same in all runs."""
    says: str = ""
    """Likewise."""


def what_clients_get(
    panels: Sequence[Panel],
    trigger: tuple[float, float],
    headline: str,
    *,
    patience: float,
    says: str,
    every: float = 1.0,
    below: str = "",
    limit: tuple[float, str] | None = None,
) -> tuple[Picture, dict[str, Felt]]:
    """Draw a column for each panel, and count who asked during the trigger, and who of those failed.

    Args:
        panels: the runs.
        trigger: from when to when something was done to the system, in seconds.
        headline: the finding.
        patience: seconds after which a client has gone.
        says: what the trigger is, in a few words.
        every: seconds of a slice.
        below: what the panels' series are, with their unit; nothing is drawn of them if empty.
        limit: a level in the lower row, and its name.
    """
    rows = 2 if below else 1
    figure, grid = new_figure(
        headline, rows=rows, columns=len(panels), width=10, height=5.4 if below else 3.8, shared=False
    )
    highest = max(_highest(panel.outcomes, every) for panel in panels)
    for axes, panel in zip(grid, panels, strict=False):
        start, end = panel.trigger or trigger
        _shade(axes, (start, end))
        _counts(axes, panel.outcomes, patience, every)
        axes.set_ylim(0, highest * 1.3)
        axes.set_title(panel.title)
        middle = ((start + end) / 2, 0.985)
        axes.annotate(panel.says or says, middle, xycoords=("data", "axes fraction"), ha="center", va="top")
    if below:
        _lower_row(grid[len(panels) :], panels, trigger, below, limit)
    last = max(outcome.sent for panel in panels for outcome in panel.outcomes)
    for axes in grid:
        axes.set_xlim(0, last)
    for axes in grid[-len(panels) :]:
        axes.set_xlabel("time, seconds")
    figure.align_ylabels(grid[:: len(panels)])
    grid[0].set_ylabel("requests a second")
    return figure, {panel.title: _felt(panel.outcomes, panel.trigger or trigger, patience) for panel in panels}


def _shade(axes: Axes, trigger: tuple[float, float]) -> None:
    axes.axvspan(*trigger, color=TRIGGER, linewidth=0, zorder=0)


def _highest(outcomes: Sequence[Outcome], every: float) -> float:
    return max(Counter(int(outcome.sent / every) for outcome in outcomes).values()) / every


def _counts(axes: Axes, outcomes: Sequence[Outcome], patience: float, every: float) -> None:
    slices = int(max(outcome.sent for outcome in outcomes) / every)
    edges = [number * every for number in range(slices + 1)]
    for good, name, colour, style in ((False, "failed or late", REFUSED, "--"), (True, "answered", ADMITTED, "-")):
        counts = Counter(int(outcome.sent / every) for outcome in outcomes if is_good(outcome, patience) is good)
        rates = [counts[place] / every for place in range(slices)]
        axes.stairs(rates, edges, baseline=None, color=colour, linewidth=1.6, linestyle=style)
        if good and any(rates):
            start = rates[: max(1, slices // 4)]
            _name(axes, name, edges[0], min(start), colour, above=False)
        elif any(rates):
            at = [place for place, rate in enumerate(rates) if rate]
            first, last = edges[at[0]], edges[at[-1] + 1]
            _name(axes, name, (first + last) / 2, max(rates), colour, above=True)


def _name(axes: Axes, name: str, x: float, y: float, colour: str, *, above: bool) -> None:
    """Above the middle of what comes and goes, below the beginning of what is there always."""
    axes.annotate(
        name,
        (x, y),
        xytext=(0 if above else 5, 3 if above else -4),
        textcoords="offset points",
        ha="center" if above else "left",
        va="bottom" if above else "top",
        color=colour,
    )


def _lower_row(
    row: Sequence[Axes],
    panels: Sequence[Panel],
    trigger: tuple[float, float],
    below: str,
    limit: tuple[float, str] | None,
) -> None:
    top = max(value for panel in panels for _, value in panel.series)
    for axes, panel in zip(row, panels, strict=True):
        _shade(axes, trigger)
        times, values = zip(*panel.series, strict=True)
        axes.plot(times, values, color=INK, linewidth=1.4, drawstyle="steps-post")
        axes.set_ylim(0, top * 1.18)
        if limit is not None:
            axes.axhline(limit[0], color=INK, linestyle=":", linewidth=1.2)
    if limit is not None:
        axes.annotate(
            limit[1], (sum(trigger) / 2, limit[0]), xytext=(0, 3), textcoords="offset points", ha="center", va="bottom"
        )
    row[0].set_ylabel(below)


def _felt(outcomes: Sequence[Outcome], trigger: tuple[float, float], patience: float) -> Felt:
    during = [outcome for outcome in outcomes if trigger[0] <= outcome.sent < trigger[1]]
    return Felt(len(during), sum(not is_good(outcome, patience) for outcome in during))
