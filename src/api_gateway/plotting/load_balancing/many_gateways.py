"""Many gateways: what knowing is worth when each knows only its own part.

Rule: the same traffic and the same servers, shared by more and more gateways with a balancer each. A line is the mean
time in the system; the grey line is what round robin of a single gateway takes, which knows nothing at all.

What it does not do: let gateways tell each other what they have in flight, or servers report their load.
"""

from __future__ import annotations

from collections.abc import Mapping

from api_gateway.plotting.style import ADMITTED, CONTEXT, INK, Label, Picture, label_ends, new_figure


def knowledge_shared(
    means: Mapping[str, Mapping[int, float]], blind: float, headline: str, highlighted: str
) -> tuple[Picture, dict[str, float]]:
    """Draw means by name and number of gateways, and give how many times longer with the most than with one."""
    figure, (axes,) = new_figure(headline, height=3.8)
    axes.axhline(blind, color=CONTEXT, linewidth=1.4, linestyle=(0, (4, 2)))
    labels = []
    for name, by_count in means.items():
        colour = ADMITTED if name == highlighted else INK
        axes.plot(
            list(by_count), list(by_count.values()), "o-", color=colour, markersize=4.5, linewidth=1.4, clip_on=False
        )
        labels.append(Label(max(by_count), by_count[max(by_count)], name, colour))
    counts = list(next(iter(means.values())))
    axes.annotate("round_robin, one gateway", (min(counts), blind), xytext=(4, 4), textcoords="offset points",
                  color=CONTEXT)  # fmt: skip
    axes.set_xscale("log")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    axes.set_xlim(min(counts) * 0.95, max(counts))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("gateways that share the traffic")
    axes.set_ylabel("mean time, service times")
    label_ends(axes, labels, apart=0.07)
    return figure, {name: by_count[max(by_count)] / by_count[min(by_count)] for name, by_count in means.items()}
