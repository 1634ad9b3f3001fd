"""Sharing in pictures: who got whose answer, and who waited for whom.

Rule: a mark stands where the column of whoever asked meets the row of whom the answer was made for. On the diagonal it
is a blue dot, elsewhere an orange cross. Where it is larger, it happened more often.

What it does not do: name anybody. Numbers will do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from api_gateway.plotting.caching.sharing import Shared, Waiters
from api_gateway.plotting.style import ADMITTED, INK, REFUSED, Picture, new_figure


def whose_answers(found: Mapping[str, Shared], who: str, headline: str) -> tuple[Picture, dict[str, int]]:
    """Draw who got whose, a panel each; give how many got somebody else's. `who` is what asks, in the plural."""
    figure, panels = new_figure(headline, columns=len(found), width=0.4 + 3.2 * len(found), height=4.1)
    names = sorted({name for shared in found.values() for name, _ in shared.got})
    for axes, (way, shared) in zip(panels, found.items(), strict=True):
        for (asked, made), times in Counter(shared.got).items():
            wrong = asked != made
            axes.plot(names.index(asked), names.index(made), "X" if wrong else "o", markersize=4 + 2 * times,
                      color=REFUSED if wrong else ADMITTED, markeredgewidth=0)  # fmt: skip
        axes.set_title(f"{way}:\n{shared.wrong() or 'none'} wrong, {shared.asked} of {len(shared.got)} to the service")
        axes.set_xticks(range(len(names)), [name.removeprefix("user ") for name in names])
        axes.set_xlabel(f"{who} who ask")
        axes.set_aspect("equal")
    panels[0].set_yticks(range(len(names)), [name.removeprefix("user ") for name in names])
    panels[0].set_xlim(-0.7, len(names) - 0.3)
    panels[0].set_ylim(-0.7, len(names) - 0.3)
    panels[0].set_ylabel(f"{who} whose answer it is")
    return figure, {way: shared.wrong() for way, shared in found.items()}


def who_waits(found: Mapping[str, Waiters], headline: str) -> tuple[Picture, dict[str, tuple[float, float]]]:
    """Draw how many have an answer over time; give the longest waits, at first and again."""
    figure, panels = new_figure(headline, columns=2, width=10, height=3.8)
    longest = max(each.first[-1] for each in found.values())
    colours = dict(zip(found, (INK, ADMITTED), strict=True))
    for axes, again in zip(panels, (False, True), strict=True):
        labels = []
        for name, each in found.items():
            waits = each.again if again else each.first
            count = len(waits)
            end = 1.04 * longest
            axes.plot([0, *waits, end], [0, *range(1, count + 1), count], drawstyle="steps-post", color=colours[name])
            labels.append((name, waits))
        axes.set_title("a second later" if again else "at first")
        axes.set_xlabel("time since they asked, seconds")
        for name, waits in labels:
            high = waits[-1] < longest / 2
            place = (waits[-1], 0.9 * len(waits)) if high else (waits[len(waits) // 2], len(waits) / 2)
            axes.annotate(f"{name}: {waits[-1]:g} s" if high else f"{name}:\n{waits[-1]:g} s", place, xytext=(8, -4),
                          textcoords="offset points", va="top", color=colours[name])  # fmt: skip
    panels[0].set_xlim(0, 1.04 * longest)
    panels[0].set_xticks(range(0, round(longest) + 1, 5))
    panels[0].set_ylim(0)
    panels[0].set_ylabel("clients with an answer")
    return figure, {name: (each.first[-1], each.again[-1]) for name, each in found.items()}
