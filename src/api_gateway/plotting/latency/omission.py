"""Coordinated omission: what a closed loop does not see, because it does not ask.

Rule: a dot for each request, at the time at which it was sent, as high as it took. In a closed loop nobody asks while
the server pauses; one long dot stands for all who would have waited. `corrected` puts them back: a request that took
longer than the usual interval hid others, one for each interval, each of which would have waited so much less.

What it does not do: know what those would have met. They would have made a queue, and the correction has none: it is a
guess from below. An open loop measures.

Source: G. Tene, "How not to measure latency", 2013; HdrHistogram, recordValueWithExpectedInterval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from api_gateway.plotting.latency.theory import percentile
from api_gateway.plotting.style import ADMITTED, INK, REFUSED, TRIGGER, Picture, new_figure
from api_gateway.simulation import Outcome


def corrected(seconds: Sequence[float], interval: float) -> list[float]:
    """Durations and those that they hid, shortest first, where one connection asks every `interval` seconds."""
    found = list(seconds)
    for duration in seconds:
        hidden = duration - interval
        while hidden > interval / 2:
            found.append(hidden)
            hidden -= interval
    return sorted(found)


def sent_and_waited(
    runs: Mapping[str, Sequence[Outcome]], pause: tuple[float, float], headline: str
) -> tuple[Picture, dict[str, float]]:
    """Draw each request of each run around the pause, and give the p99 of the whole run, seconds."""
    figure, panels = new_figure(headline, columns=len(runs), height=3.9)
    start, end = pause
    p99 = {name: percentile(sorted(one.duration for one in run), 0.99) for name, run in runs.items()}
    for axes, (name, run) in zip(panels, runs.items(), strict=True):
        shown = [one for one in run if start - 2 <= one.sent < end + 4]
        axes.axvspan(start, end, color=TRIGGER, linewidth=0, zorder=0)
        axes.plot(
            [one.sent for one in shown], [one.duration for one in shown], "o", color=ADMITTED, markersize=2.6, zorder=3
        )
        axes.axhline(p99[name], color=REFUSED, linewidth=1.2, linestyle=(0, (4, 3)), zorder=2)
        axes.annotate(
            f"p99 of the minute: {_short(p99[name])}",
            (end + 4, p99[name]),
            xytext=(0, 4),
            textcoords="offset points",
            ha="right",
            va="bottom",
            color=REFUSED,
        )
        during = sum(start <= one.sent < end for one in run)
        axes.annotate(
            f"pause:\n{during} request{'s' * (during != 1)}",
            ((start + end) / 2, 1.2 * (end - start)),
            ha="center",
            va="top",
            color=INK,
        )
        axes.set_title(name)
        axes.set_xlabel("time at which the request was sent, seconds")
    panels[0].set_xlim(start - 2, end + 4)
    panels[0].set_ylim(0, 1.22 * (end - start))
    panels[0].set_ylabel("time to the answer, seconds")
    return figure, p99


def _short(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"
