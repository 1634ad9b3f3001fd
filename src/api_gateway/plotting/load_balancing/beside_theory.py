"""Time in the system, a row for each policy: what was simulated, and what theory says.

Rule: the mean left, the p99 right, both from 0, in service times. A dot is simulated; a grey stroke is theory; where
there is no formula, there is no stroke. The band ends at the time of a single queue for all servers, below which no
balancer's mean can be.

What it does not do: say how sure it is. That is for tests, with several seeds.
"""

from __future__ import annotations

from collections.abc import Mapping

from api_gateway.plotting.load_balancing.laboratory import Trial
from api_gateway.plotting.load_balancing.theory import Expected
from api_gateway.plotting.style import ADMITTED, CONTEXT, TRIGGER, Picture, new_figure


def beside_theory(
    trials: Mapping[str, Trial], expected: Mapping[str, Expected], bound: Expected, warm: float, headline: str
) -> tuple[Picture, dict[str, Expected]]:
    """Draw what was sent from second `warm` on, slowest policy first, and give its mean and p99."""
    found = {name: Expected(trial.mean(warm), trial.latency(0.99, warm)) for name, trial in trials.items()}
    found = dict(sorted(found.items(), key=lambda item: item[1].mean))
    figure, panels = new_figure(headline, columns=2, height=1.4 + 0.42 * len(found), shared=False)
    for axes, number, title in zip(panels, (0, 1), ("mean", "p99: one request in a hundred takes longer"), strict=True):
        axes.axvspan(0, bound[number], color=TRIGGER, linewidth=0, zorder=0)
        for row, (name, values) in enumerate(found.items()):
            axes.hlines(row, bound[number], values[number], color=ADMITTED, linewidth=1.2, alpha=0.5)
            if name in expected:
                axes.vlines(expected[name][number], row - 0.3, row + 0.3, color=CONTEXT, linewidth=2.2)
            axes.plot([values[number]], [row], "o", color=ADMITTED, markersize=6)
            furthest = max(values[number], expected[name][number] if name in expected else 0)
            axes.annotate(
                f"{values[number]:.1f}", (furthest, row), xytext=(9, 0), textcoords="offset points", va="center"
            )
        axes.set_title(title)
        axes.set_xlabel("time in the system, service times")
        axes.set_xlim(0, 1.17 * max(max(values[number] for values in one.values()) for one in (found, expected)))
        axes.set_ylim(-0.6, len(found) - 0.1)
        axes.set_yticks(range(len(found)), list(found) if number == 0 else [""] * len(found))
        axes.tick_params(axis="y", length=0)
    first = panels[0]
    highest = max(range(len(found)), key=lambda row: row if list(found)[row] in expected else -1)
    first.annotate(
        "theory", (expected[list(found)[highest]].mean, highest + 0.32), ha="center", va="bottom", color=CONTEXT
    )
    first.annotate("one\nqueue\nfor all", (bound.mean / 2, len(found) - 1), ha="center", va="center", fontsize=8.5)
    return figure, found
