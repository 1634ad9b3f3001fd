"""A storm over time: what clients get, and what the service is asked.

Rule: counts of whole seconds, nothing smoothed. Good answers are a blue line, at the second in which they came; calls
to the service an orange one; the grey line is a run to compare with; grey ground is the trigger; dotted is what the
service can do.

What it does not do: draw latency. Nobody waits longer than tries times the timeout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes

from api_gateway.plotting.retry_storms.laboratory import CAPACITY, TRIGGER, Storm
from api_gateway.plotting.style import ADMITTED, CONTEXT, INK, REFUSED, Label, Picture, label_ends, new_figure
from api_gateway.plotting.style import TRIGGER as GROUND


class Ending(NamedTuple):
    """How a storm ended."""

    recovered: float | None
    """Seconds after the trigger's end until most requests were answered well, for good; None for never."""
    failed: int
    """Requests without a good answer."""
    goodput: float
    """Good answers a second over the last ten seconds."""
    amplification: float
    """Calls for each request over the last ten seconds."""


def storm_timeline(storms: Mapping[str, Storm], headline: str) -> tuple[Picture, dict[str, Ending]]:
    """Draw the first of two runs and, in grey, the second, to compare with; how both ended."""
    (storm_name, storm), (beside_name, beside) = storms.items()
    figure, (answers, calls) = new_figure(headline, rows=2, height=5.4, heights=(1, 1.5), shared=False)
    end = storm.seconds
    _steps(answers, beside.useful(), CONTEXT, 1.3)
    _steps(answers, storm.useful(), ADMITTED)
    _steps(calls, beside.calls, CONTEXT, 1.3)
    _steps(calls, storm.calls, REFUSED)
    wanted = storm.load * CAPACITY
    calls.axhline(CAPACITY, color=INK, linestyle=":", linewidth=1.4)
    for axes in (answers, calls):
        _ground(axes)
        axes.set_xlim(0, end)
        axes.set_ylim(0)
    answers.tick_params(labelbottom=False)
    answers.set_title("good answers to clients, a second")
    calls.set_title("calls to the service, a second")
    calls.set_xlabel("time, seconds")
    answers.set_ylim(0, max(1.45 * wanted, 1.25 * max(*storm.useful(), *beside.useful())))
    calls.set_ylim(0, max(1.3 * CAPACITY, 1.05 * max(*storm.calls, *beside.calls)))
    late = (end - 10, end)
    for axes, colour, heights in (
        (answers, ADMITTED, [each.goodput(*late) for each in (storm, beside)]),
        (calls, REFUSED, [each.amplification(*late) * wanted for each in (storm, beside)]),
    ):
        mine, other = heights
        label_ends(axes, [Label(end, mine, storm_name, colour), Label(end, other, beside_name, CONTEXT)], apart=0.1)
    calls.annotate("what it can do", (2, CAPACITY), xytext=(0, 3), textcoords="offset points", va="bottom")
    answers.annotate(f"{TRIGGER[1] - TRIGGER[0]:g} s slow", (TRIGGER[1], 1), xycoords=("data", "axes fraction"),
                     xytext=(4, -2), textcoords="offset points", va="top")  # fmt: skip
    return figure, {name: ending(each) for name, each in storms.items()}


def endings(storms: Mapping[str, Storm], headline: str, columns: int = 2) -> tuple[Picture, dict[str, Ending]]:
    """Draw a small panel for each storm, and say how each ended."""
    rows = -(-len(storms) // columns)
    figure, panels = new_figure(headline, rows=rows, columns=columns, width=9.5, height=1 + 2.1 * rows)
    highest = max(max(storm.calls) for storm in storms.values())
    for place, (axes, (name, storm)) in enumerate(zip(panels, storms.items(), strict=False)):
        _ground(axes)
        _steps(axes, storm.calls, REFUSED, 1.3)
        _steps(axes, storm.useful(), ADMITTED, 1.6)
        axes.axhline(CAPACITY, color=INK, linestyle=":", linewidth=1.1)
        axes.set_title(name)
        axes.set_xlim(TRIGGER[0] - 20, storm.seconds)
        axes.set_ylim(0, 1.08 * highest)
        axes.annotate(_verdict(storm), (0.98, 0.97), xycoords="axes fraction", ha="right", va="top")
        if place >= (rows - 1) * columns:
            axes.set_xlabel("time, seconds")
        if place % columns == 0:
            axes.set_ylabel("a second")
    first, loudest = panels[0], next(iter(storms.values()))
    latest = max(loudest.calls[-40:-20])
    first.annotate("calls", (loudest.seconds - 30, latest), xytext=(0, -26), textcoords="offset points", ha="center",
                   va="top", color=REFUSED)  # fmt: skip
    first.annotate("good\nanswers", (TRIGGER[0] - 19, loudest.load * CAPACITY), xytext=(0, -6),
                   textcoords="offset points", va="top", color=ADMITTED, linespacing=0.9, fontsize=8.5)  # fmt: skip
    first.annotate("capacity", (loudest.seconds, CAPACITY), xytext=(-2, 2), textcoords="offset points", ha="right",
                   va="bottom")  # fmt: skip
    return figure, {name: ending(storm) for name, storm in storms.items()}


def ending(storm: Storm) -> Ending:
    """How it ended."""
    back = storm.recovered()
    late = (storm.seconds - 10, storm.seconds)
    since = None if back is None else back - TRIGGER[1]
    return Ending(since, storm.failed(), storm.goodput(*late), storm.amplification(*late))


def _verdict(storm: Storm) -> str:
    since = ending(storm).recovered
    lost = f"{storm.failed():,} requests failed"
    return f"never well again\n{lost}" if since is None else f"well after {since:g} s\n{lost}"


def _steps(axes: Axes, counts: Sequence[int], colour: str, width: float = 1.8) -> None:
    axes.stairs(list(counts), list(range(len(counts) + 1)), baseline=None, color=colour, linewidth=width)


def _ground(axes: Axes) -> None:
    axes.axvspan(*TRIGGER, color=GROUND, linewidth=0, zorder=0)
