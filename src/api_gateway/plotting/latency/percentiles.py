"""Percentiles: why they cannot be averaged, and how many requests it takes to know one.

Rule: the p99 of two servers together is that of all their requests. It is not the mean of the two, nor the mean
weighted by traffic, because the slow tail is made by the slower server alone long before it has most of the traffic.

What it does not do: interpolate. A percentile is a duration that occurred.
"""

from __future__ import annotations

from collections.abc import Sequence

from api_gateway.plotting.latency.theory import Survival, mixture, percentile, quantile, what_samples_say
from api_gateway.plotting.style import ADMITTED, CONTEXT, INK, TRIGGER, Label, Picture, label_ends, new_figure


def together(fast: Sequence[float], slow: Sequence[float], share: float, share_of_slow: float) -> float:
    """The percentile of a sample in which so many of the requests are slow; both in the order of arrival."""
    count = min(len(slow) / share_of_slow if share_of_slow else 1e9, len(fast) / (1 - share_of_slow or 1e-9))
    many = round(count * share_of_slow)
    return percentile(sorted([*fast[: round(count) - many], *slow[:many]]), share)


def averages_beside_truth(
    fast: Sequence[float], slow: Sequence[float], theory: tuple[Survival, Survival], headline: str
) -> tuple[Picture, dict[float, tuple[float, float]]]:
    """Draw the p99 of both together, by the share of the slow one; give it, and the weighted mean of the two p99s.

    `fast` and `slow` are milliseconds in the order of arrival.
    """
    ends = quantile(theory[0], 0.99), quantile(theory[1], 0.99)
    figure, (axes,) = new_figure(headline, height=4)
    steps = [step / 100 for step in range(101)]
    truth = [quantile(mixture([(1 - part, theory[0]), (part, theory[1])]), 0.99) for part in steps]
    axes.plot([100 * part for part in steps], truth, color=CONTEXT, linewidth=1.4)
    axes.plot([0, 100], ends, color=INK, linewidth=1.4, linestyle=(0, (4, 3)))
    numbers = {}
    for part in (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0):
        found = together(fast, slow, 0.99, part)
        numbers[part] = (found, (1 - part) * ends[0] + part * ends[1])
        axes.plot([100 * part], [found], "o", color=ADMITTED, markersize=6, clip_on=False)
    tenth = numbers[0.1]
    axes.vlines(10, tenth[1], tenth[0], color=INK, linewidth=0.9)
    axes.annotate(f"{tenth[0]:.0f} ms", (10, tenth[0]), xytext=(-6, 6), textcoords="offset points", ha="right",
                  color=ADMITTED)  # fmt: skip
    axes.annotate(f"{tenth[1]:.0f} ms", (10, tenth[1]), xytext=(6, -12), textcoords="offset points")
    axes.annotate("p99 of all requests", (50, numbers[0.5][0]), xytext=(-8, 12), textcoords="offset points",
                  ha="right", color=ADMITTED)  # fmt: skip
    axes.annotate("mean of the two p99s,\nweighted by traffic", (50, numbers[0.5][1]), xytext=(10, -8),
                  textcoords="offset points", va="top")  # fmt: skip
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 1.1 * ends[1])
    axes.set_xlabel("share of the requests at the slow server, per cent")
    axes.set_ylabel("p99, milliseconds")
    return figure, numbers


def sample_sizes(
    samples: Sequence[float], theory: Survival, share: float, headline: str
) -> tuple[Picture, dict[int, tuple[float, float]]]:
    """Draw what pieces of one run say of a percentile; give between which values 95 of 100 pieces are, by size.

    A grey bar is where theory has those 95. `samples` are milliseconds in the order of arrival.
    """
    figure, (axes,) = new_figure(headline, height=4)
    sizes = [100, 300, 1000, 3000, 10_000, 30_000, 100_000]
    bands = {size: what_samples_say(theory, share, size) for size in sizes}
    truth = quantile(theory, share)
    axes.axhline(truth, color=INK, linewidth=1.2)
    for size, (low, high) in bands.items():
        axes.vlines(size, low, high, color=TRIGGER, linewidth=16, zorder=0)
        for end, upright in ((low, "top"), (high, "bottom")):
            axes.annotate(f"{end:.0f}", (size, end), xytext=(10, 0), textcoords="offset points", va=upright,
                          color=CONTEXT)  # fmt: skip
        if size > len(samples):
            continue
        pieces = [sorted(samples[start : start + size]) for start in range(0, len(samples) - size + 1, size)][:40]
        axes.plot(
            [size] * len(pieces), [percentile(piece, share) for piece in pieces], "o", color=ADMITTED, markersize=4,
            alpha=0.55, markeredgewidth=0,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(sizes[0] * 0.7, sizes[-1] * 2)
    lowest, highest = min(low for low, _ in bands.values()) * 0.7, max(high for _, high in bands.values()) * 1.4
    axes.set_ylim(lowest, highest)
    marks = [mark for mark in (20, 50, 100, 200, 500, 1000) if lowest < mark < highest]
    axes.set_yticks(marks, [f"{mark:,}" for mark in marks])
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.set_xlabel("requests measured")
    axes.set_ylabel(f"what they say the p{100 * share:g} is, milliseconds")
    label_ends(axes, [Label(sizes[-1] * 2, truth, f"the p{100 * share:g}:\n{truth:.0f} ms")])
    return figure, bands
