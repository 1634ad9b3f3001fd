"""A hot key: the busiest server over time, with and without a bound on its load.

Rule: the same traffic, of which a share asks for one key, to the same ring, with different load factors. A line is the
most that any server has to do, sampled, and 1 at least, as the scale is logarithmic; nothing is smoothed.

What it does not do: show the price, which is that the hot key's cache is filled on several servers.
"""

from __future__ import annotations

from collections.abc import Mapping

from api_gateway.plotting.load_balancing.laboratory import Trial
from api_gateway.plotting.style import ADMITTED, INK, Label, Picture, label_ends, new_figure


def busiest_over_time(trials: Mapping[str, Trial], bounded: str, headline: str) -> tuple[Picture, dict[str, float]]:
    """Draw the busiest server of each trial, and give the most it ever had; `bounded` is the gateway's own."""
    figure, (axes,) = new_figure(headline, height=3.6)
    labels, most = [], {}
    for name, trial in trials.items():
        seconds = round(max(outcome.sent for outcome in trial.outcomes))
        busiest = [max(1.0, *column) for column in zip(*trial.loads, strict=True)][: round(seconds / trial.every)]
        times = [number * trial.every for number in range(len(busiest))]
        colour = ADMITTED if name == bounded else INK
        axes.step(times, busiest, where="post", color=colour, linewidth=1.2)
        labels.append(Label(times[-1], busiest[-1], name, colour))
        most[name] = max(busiest)
    axes.set_xlim(0, max(label.x for label in labels))
    axes.set_yscale("log")
    axes.set_yticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
    axes.minorticks_off()
    axes.set_ylim(0.9, 2 * max(most.values()))
    axes.set_xlabel("time, service times")
    axes.set_ylabel("requests at the busiest server")
    label_ends(axes, labels, apart=0.08)
    return figure, most
