"""The wall: each preset a row, each outage a column, and what became of the requests of each second.

Rule: stacked, by when a request was sent: answered within a second (blue), answered later (light blue), failed
(orange, on top). Between the dashed strokes the outage. All panels have the same scales; nothing is smoothed.

What it does not do: show how long a failure took. A request that fails at once and one that fails after half a minute
look the same; the table tells them apart.
"""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes

from api_gateway.plotting.defaults_museum.exhibition import RATE, SECONDS, Outage, Report, Visit
from api_gateway.plotting.style import ADMITTED, INK, REFUSED, Picture, new_figure
from api_gateway.plotting.table import Table

_LATE = "#8cc4e6"
_MANY = 600  # requests, whose colour has room for a word


def museum_wall(
    visits: Mapping[str, Mapping[Outage, Visit]], headline: str
) -> tuple[Picture, dict[str, dict[str, Report]]]:
    """Draw all visits, by preset, then by outage; and report on each by the names of both."""
    outages = list(next(iter(visits.values())))
    figure, panels = new_figure(
        headline, rows=len(visits), columns=len(outages), width=10, height=1.3 + 0.8 * len(visits)
    )
    rest = iter(panels)
    for row, (name, by_outage) in enumerate(visits.items()):
        for column, outage in enumerate(outages):
            axes, seen = next(rest), by_outage[outage]
            layers = [seen.verdicts(verdict) for verdict in ("good", "late", "failed")]
            edges = list(range(SECONDS + 1))
            bottom = [0] * SECONDS
            for layer, colour in zip(layers, (ADMITTED, _LATE, REFUSED), strict=True):
                top = [low + high for low, high in zip(bottom, layer, strict=True)]
                axes.stairs(top, edges, baseline=bottom, fill=True, color=colour, linewidth=0)
                bottom = top
            for second in (outage.fault.start, outage.fault.end):
                axes.axvline(second, color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
            axes.annotate(f"{sum(layers[2]):,} failed", (0.99, 1.0), xycoords="axes fraction", ha="right", va="bottom",
                          fontsize=8, color=REFUSED if sum(layers[2]) else INK)  # fmt: skip
            axes.set_ylim(0, 1.5 * RATE)
            axes.set_xlim(0, SECONDS)
            axes.set_yticks([])
            axes.spines["left"].set_visible(False)
            axes.tick_params(axis="x", length=3 if row == len(visits) - 1 else 0)
            if row == 0:
                axes.set_title(outage.name, pad=16)
                _name_the_colours(axes, seen)
            if column == 0:
                axes.set_ylabel(name.replace(", ", ",\n"), rotation=0, ha="right", va="center", color=INK)
            if row == len(visits) - 1:
                axes.set_xlabel("time, seconds")
    return figure, {name: {outage.name: by[outage].report() for outage in outages} for name, by in visits.items()}


def report_table(reports: Mapping[str, Mapping[str, Report]], outage: Outage) -> Table:
    """A row for each preset."""
    heads = ["preset", "spared after", "failed", "late", "calls to the ill", "well again after", "mean"]
    return Table(heads, [(name, *_cells(by_outage[outage.name])) for name, by_outage in reports.items()])


def _cells(report: Report) -> tuple[str, ...]:
    spared = "-" if report.spared is None else f"{report.spared:g} s"
    return (
        spared,
        f"{report.failed:,}",
        f"{report.late:,}",
        f"{report.calls:,}",
        f"{report.recovered:g} s",
        f"{report.mean:.2f} s",
    )


def _name_the_colours(axes: Axes, visit: Visit) -> None:
    """In the colours themselves, where there is room."""
    middle = 0.42 * RATE
    start, end = visit.outage.fault.start, visit.outage.fault.end
    if sum(visit.verdicts("failed")) > _MANY:
        axes.annotate("failed", ((start + end) / 2, middle), ha="center", va="center", color="white", fontsize=8)
        axes.annotate("answered\nin 1 s", (start / 2, middle), ha="center", va="center", color="white", fontsize=7)
    if sum(visit.verdicts("late")) > _MANY:
        axes.annotate("late", (start + 0.65 * (end - start), middle), ha="center", va="center", fontsize=8)
