"""The worst window: what an adversary gets through, set beside the proven bound.

Rule: a dot is the most that a search over patterns of floods (`adversary.py`) got through the real class in a
window of that length; the grey line is the most that can be proven to get through. A dot on the line
means that the bound is reached: neither the search nor the proof can be improved.

What it does not do: say how likely that is. Real traffic seldom plays against the limiter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias, cast

from matplotlib.axes import Axes

from api_gateway.plotting.rate_limiters.adversary import Adversary, proven
from api_gateway.plotting.rate_limiters.replay import Subject
from api_gateway.plotting.style import ADMITTED, CONTEXT, INK, Picture, new_figure
from api_gateway.rate_limiting.keyed_rate_limiter import KeyedRateLimiter


class Worst(NamedTuple):
    """Windows of one length."""

    window: int
    """Nanoseconds."""
    found: int
    """What the adversary got through."""
    proven: int
    """What nobody can exceed."""


Curve: TypeAlias = list[Worst]


def worst_windows(name: str, subject: Subject, grid: int = 10) -> Curve:
    """Search an instant, which is two nanoseconds, and each multiple of a period's part, up to the period."""
    quota = subject.quota
    windows = [2, *(round(number * quota.period / grid) for number in range(1, grid + 1))]
    limiter = cast("KeyedRateLimiter[object]", subject)  # which gets only the states back that it gave itself
    adversary = Adversary(limiter, grid)
    return [Worst(window, adversary.most_within(window), proven(name, quota, window)) for window in windows]


def worst_window_curves(subjects: Mapping[str, Subject], headline: str) -> tuple[Picture, dict[str, Curve]]:
    """Search the worst windows of `subjects`, by their names in a configuration, and draw a panel for each."""
    curves = {name: worst_windows(name, subject) for name, subject in subjects.items()}
    figure, panels = new_figure(headline, columns=len(curves), width=10, height=3.9)
    limit = max(subject.quota.limit for subject in subjects.values())
    for axes, (name, curve) in zip(panels, curves.items(), strict=True):
        _panel(axes, curve, subjects[name].quota.period, limit)
        axes.set_title(name)
    panels[0].set_ylabel("most let through in a window")
    panels[len(panels) // 2].set_xlabel("length of the window, in periods")
    panels[0].set_ylim(0, 2.25 * limit)
    panels[0].set_xticks([0, 0.5, 1], ["0", "½", "1"])
    panels[0].set_yticks([0, limit, 2 * limit])
    panels[0].annotate("the limit", (0, limit), xytext=(0, -3), textcoords="offset points", va="top", color=CONTEXT)
    return figure, curves


def _panel(axes: Axes, curve: Sequence[Worst], period: int, limit: int) -> None:
    shares = [worst.window / period for worst in curve]
    axes.axhline(limit, color=CONTEXT, linewidth=1, linestyle=(0, (4, 2)), zorder=0)
    # Just beyond each length on the grid the next step begins: a half-open window of it is the last below.
    axes.step(shares, [worst.proven for worst in curve], where="pre", color=CONTEXT, linewidth=5, alpha=0.45)
    axes.plot(shares, [worst.found for worst in curve], "o", color=ADMITTED, markersize=4.5, clip_on=False)
    last = curve[-1].found
    axes.annotate(
        f"{last}", (1, last), xytext=(0, 7), textcoords="offset points", ha="center", color=INK, weight="bold"
    )
