"""Waterfall: one request, a row for each layer, time to the right.

Rule: a thin line says that the request is in the layer or behind it, a bar that the layer itself has it. So at each
moment there is one bar, and the bars' lengths are the numbers at the right. Blue is work that gave the answer, orange
work for an answer that was thrown away, dark is waiting. Grey areas are the tries.

What it does not do: measure (`traced.py`).
"""

from __future__ import annotations

from api_gateway.plotting.latency.traced import Trace
from api_gateway.plotting.style import ADMITTED, CONTEXT, INK, REFUSED, TRIGGER, Picture, new_figure, quiet


def waterfall(trace: Trace, headline: str) -> tuple[Picture, dict[str, float]]:
    """Draw it, and give each stage's own milliseconds."""
    figure, (axes,) = new_figure(headline, height=0.9 + 0.42 * (len(trace.visits) + 1))
    start, stages = trace.outcome.sent, list(trace.visits)
    total = 1000 * trace.outcome.duration
    tries, work = trace.visits["concurrency limit"], trace.visits[stages[-1]]
    for number, (entered, left) in enumerate(tries, 1):
        began, ended = 1000 * (entered - start), 1000 * (left - start)
        axes.axvspan(began, ended, color=TRIGGER, alpha=0.55, linewidth=0, zorder=0)
        axes.annotate(f"try {number}", ((began + ended) / 2, -0.72), ha="center", va="bottom", annotation_clip=False)
    for row, stage in enumerate(stages):
        for entered, left in trace.visits[stage]:
            axes.hlines(row, 1000 * (entered - start), 1000 * (left - start), color=CONTEXT, linewidth=1.0, zorder=1)
        for entered, left in trace.own(stage):
            wasted = stage == stages[-1] and entered < work[-1][0]
            colour = REFUSED if wasted else ADMITTED if stage == stages[-1] else INK
            axes.barh(row, 1000 * (left - entered), 0.56, 1000 * (entered - start), color=colour, zorder=2)
            if stage == stages[-1]:
                middle = 500 * (entered + left - 2 * start)
                axes.annotate(
                    "wasted" if wasted else "the answer", (middle, row), ha="center", va="center", color="white"
                )
        axes.annotate(
            f"{1000 * trace.seconds(stage):.0f} ms",
            (1, row),
            xycoords=axes.get_yaxis_transform(),
            xytext=(44, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            annotation_clip=False,
        )
    axes.set_yticks(range(len(stages)), stages)
    axes.set_ylim(len(stages) - 0.4, -0.7)
    axes.set_xlim(0, total)
    axes.set_xlabel("time since the client asked, milliseconds")
    quiet(axes, y=True)
    return figure, {stage: 1000 * trace.seconds(stage) for stage in stages}
