"""Staleness in pictures: ages of answers through an outage of the origin, and stale answers by load.

Rule: blue is a good answer, at the age that it says; orange is none. Below each panel are the requests that the origin
got, one stroke each.

What it does not do: judge how old is too old. Whoever owns the data does.
"""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes

from api_gateway.plotting.caching.staleness import DOWN, LASTS, Load, Outage, share_past_its_end
from api_gateway.plotting.style import ADMITTED, CONTEXT, INK, REFUSED, TRIGGER, Label, Picture, label_ends, new_figure

_BOTTOM = -9.0  # seconds, in which strokes stand below the ages
_FAILURES = -2.2  # where what has no age stands


def ages_in_an_outage(found: Mapping[str, Outage], headline: str) -> tuple[Picture, dict[str, int]]:
    """Draw how old each answer is, a panel each; give how many clients had none."""
    rows = -(-len(found) // 2)
    figure, panels = new_figure(headline, rows=rows, columns=2, width=10, height=0.8 + 2.7 * rows)
    oldest = max(outcome.oldest() for outcome in found.values())
    for place, (axes, (name, outcome)) in enumerate(zip(panels, found.items(), strict=False)):
        _ages(axes, outcome)
        failed = outcome.failed()
        axes.set_title(f"{name}: {failed or 'nobody'} without an answer")
        if place % 2 == 0:
            axes.set_ylabel("age of the answer, seconds")
        if place >= 2 * (rows - 1):
            axes.set_xlabel("time, seconds")
    panels[0].set_xlim(0, 50)
    panels[0].set_ylim(_BOTTOM, oldest + 2)
    panels[0].set_yticks(range(0, int(oldest) + 1, 5))
    first = panels[0]
    first.annotate("the origin is down", (DOWN[0], 0.97), xycoords=("data", "axes fraction"), xytext=(4, 0),
                   textcoords="offset points", va="top")  # fmt: skip
    first.annotate("no answer", (DOWN[1], _FAILURES), xytext=(5, 0), textcoords="offset points", va="center",
                   color=REFUSED)  # fmt: skip
    return figure, {name: outcome.failed() for name, outcome in found.items()}


def _ages(axes: Axes, outcome: Outage) -> None:
    axes.axvspan(*DOWN, color=TRIGGER, linewidth=0, zorder=0)
    axes.axhline(LASTS, color=CONTEXT, linestyle=":", linewidth=1.2, zorder=1)
    good = [got for got in outcome.got if got.status == 200]
    bad = [got for got in outcome.got if got.status != 200]
    axes.plot([got.sent for got in good], [got.age for got in good], "o", color=ADMITTED, markersize=2.6,
              markeredgewidth=0)  # fmt: skip
    axes.plot([got.sent for got in bad], [_FAILURES] * len(bad), "x", color=REFUSED, markersize=3.5)
    axes.vlines(list(outcome.asked), _BOTTOM + 0.6, _BOTTOM + 4.0, color=INK, linewidth=0.7)
    axes.annotate(f"origin asked {len(outcome.asked)} times", (1, _BOTTOM + 4.2), va="bottom", fontsize=8.5)


def stale_by_load(
    found: Mapping[bool, Mapping[float, Load]], lasts: int, headline: str
) -> tuple[Picture, dict[float, float]]:
    """Draw who waits without, and who gets stale with `stale-while-revalidate`, by load; give theory's share."""
    figure, (axes,) = new_figure(headline, height=4)
    rates = list(found[True])
    curve = [rates[0] * (rates[-1] / rates[0]) ** (step / 100) for step in range(101)]
    axes.plot(curve, [100 * share_past_its_end(rate, lasts) for rate in curve], color=CONTEXT, linewidth=1.4)
    waits = [100 * load.waited for load in found[False].values()]
    stale = [100 * load.stale for load in found[True].values()]
    axes.plot(rates, waits, "x", color=REFUSED, markersize=8, markeredgewidth=2, clip_on=False, zorder=3)
    axes.plot(rates, stale, "o", color=ADMITTED, markersize=5, clip_on=False, zorder=4)
    axes.set_xscale("log")
    axes.set_xlim(rates[0], rates[-1])
    axes.set_ylim(0, 100)
    axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
    axes.minorticks_off()
    axes.set_xlabel("requests a second for the page")
    axes.set_ylabel("of all answers, per cent")
    axes.annotate("stale, with stale-while-revalidate", (rates[1], stale[1]), xytext=(12, 6),
                  textcoords="offset points", color=ADMITTED)  # fmt: skip
    axes.annotate("waited, without", (rates[1], stale[1]), xytext=(12, 22), textcoords="offset points",
                  color=REFUSED)  # fmt: skip
    label_ends(axes, [Label(rates[-1], 100 * share_past_its_end(rates[-1], lasts), "theory", CONTEXT)])
    return figure, {rate: share_past_its_end(rate, lasts) for rate in rates}
