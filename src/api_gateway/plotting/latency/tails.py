"""Tails: how many requests take longer than t, with hedging and without; and when hedging makes it worse.

Rule: both scales are logarithmic, so that one request in a thousand has as much room as one in ten. A dot is counted,
a line is theory. Dots end where ten requests speak for them.

What it does not do: fit. The lines are formulas of the service time that was simulated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from api_gateway.plotting.latency.theory import Survival, percentile, quantile
from api_gateway.plotting.style import ADMITTED, CONTEXT, INK, TRIGGER, Label, Picture, label_ends, new_figure
from api_gateway.simulation import Outcome

_SHARES = (0.5, 0.95, 0.99, 0.999)


def survival_beside_theory(
    found: Mapping[str, Sequence[float]], theory: Mapping[str, Survival], headline: str, highlighted: str
) -> tuple[Picture, dict[str, dict[float, float]]]:
    """Draw ascending milliseconds by name; give the p50, p95, p99 and p99.9 of each."""
    figure, (axes,) = new_figure(headline, height=4.3)
    least, most = 1.0, 1300.0
    times = [least * (most / least) ** (step / 300) for step in range(301)]
    for name, survival in theory.items():
        shown = [(time, survival(time)) for time in times if survival(time) > 3e-4]
        axes.plot([time for time, _ in shown], [share for _, share in shown], color=CONTEXT, linewidth=1.2, zorder=1)
        values = found[name]
        levels = [10 ** (-step / 8) for step in range(1, 40) if 10 ** (-step / 8) * len(values) >= 10]
        points = [(percentile(values, 1 - level), level) for level in levels]
        colour, shape = (ADMITTED, "o") if name == highlighted else (INK, "s")
        axes.plot([time for time, _ in points], [level for _, level in points], shape, color=colour, markersize=4.5)
        at = quantile(survival, 0.999)
        axes.annotate(
            f"{name}\np99.9: {percentile(values, 0.999):.0f} ms",
            (at, 0.001),
            xytext=(-14, -9),
            textcoords="offset points",
            ha="right",
            va="top",
            color=colour,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    for share in (0.1, 0.01, 0.001):
        axes.axhline(share, color=TRIGGER, linewidth=0.8, zorder=0)
    axes.set_xlim(least, most)
    axes.set_ylim(3e-4, 1)
    axes.set_yticks([1, 0.1, 0.01, 0.001], ["all", "1 in 10", "1 in 100", "1 in 1,000"])
    marks = (1, 3, 10, 30, 100, 300, 1000)
    axes.set_xticks(marks, [f"{mark:,}" for mark in marks])
    axes.minorticks_off()
    axes.set_xlabel("time t, milliseconds")
    axes.set_ylabel("requests that take longer than t")
    return figure, {name: {share: percentile(values, share) for share in _SHARES} for name, values in found.items()}


def p99_over_time(
    runs: Mapping[str, Sequence[Outcome]], slow: tuple[float, float], headline: str, highlighted: str, every: float = 2
) -> tuple[Picture, dict[str, float]]:
    """Draw the p99 of what was sent in each `every` seconds, and give its worst, milliseconds.

    The first of the runs is what the others are compared with.
    """
    figure, (axes,) = new_figure(headline, height=3.9)
    axes.axvspan(*slow, color=TRIGGER, linewidth=0, zorder=0)
    labels: list[Label] = []
    worst: dict[str, float] = {}
    for name, run in runs.items():
        pieces: dict[int, list[float]] = {}
        for one in run:
            pieces.setdefault(int(one.sent // every), []).append(1000 * one.duration)
        heights = {piece * every: percentile(sorted(values), 0.99) for piece, values in sorted(pieces.items())}
        colour = ADMITTED if name == highlighted else INK if labels else CONTEXT
        axes.step(
            [*heights, max(heights) + every],
            [*heights.values(), heights[max(heights)]],
            where="post",
            color=colour,
            linewidth=1.6,
        )
        worst[name] = max(heights.values())
        labels.append(Label(slow[1], worst[name], name, colour))
    axes.set_yscale("log")
    axes.set_xlim(0, max(one.sent for run in runs.values() for one in run))
    low, high = axes.get_ylim()[0], 2.2 * max(worst.values())
    axes.set_ylim(low, high)
    marks = [10.0**power * step for power in range(6) for step in (1, 3) if low <= 10.0**power * step <= high]
    axes.set_yticks(marks, [f"{mark:,.0f}" for mark in marks])
    axes.minorticks_off()
    axes.annotate(
        "everything is slow", (sum(slow) / 2, 1), xycoords=("data", "axes fraction"), xytext=(0, -4),
        textcoords="offset points", ha="center", va="top",
    )  # fmt: skip
    axes.set_xlabel("time at which requests were sent, seconds")
    axes.set_ylabel("p99, milliseconds")
    label_ends(axes, labels, apart=0.07)
    return figure, worst
