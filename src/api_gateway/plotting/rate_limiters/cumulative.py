"""Cumulative admissions against the line `rate * t + burst`: who stays under what was promised.

Rule: the line starts wherever it hurts most. `excess` is the most by which admissions in any closed stretch
of time are more than `burst + rate * length`, over all stretches that begin and end at an admission. At most
zero means that the limiter keeps the line wherever it is laid.

Cost: O(n), because with a(t) admissions until t, the stretch that hurts most begins where a(t) - rate * t
was least.

What it does not do: count arrivals. A shaper is judged by when it lets requests go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from matplotlib.axes import Axes

from api_gateway.plotting.style import ADMITTED, CONTEXT, Picture, new_figure
from api_gateway.rate_limiting.rate_limiter import NANOSECONDS, Quota


def excess(times: Sequence[int], quota: Quota) -> float:
    """By how many requests `times`, in order, rise above the line; negative where they stay below."""
    worst: Fraction | None = None
    least = Fraction(0)
    for count, now in enumerate(times):
        height = count - Fraction(now * quota.limit, quota.period)
        least = height if worst is None else min(least, height)
        above = height + 1 - least - quota.burst
        worst = above if worst is None else max(worst, above)
    return float(worst or 0)


def cumulative_admissions(
    passed: Mapping[str, Sequence[int]], asked: Sequence[int], quota: Quota, headline: str
) -> tuple[Picture, dict[str, float]]:
    """Draw a panel for each name with its times in order, and find the excess of each over the line of `quota`.

    `asked` are the times of all requests, in order; the panels go from the first to the last. All are nanoseconds.
    """
    figure, panels = new_figure(headline, columns=len(passed), width=10, height=3.9)
    found = {name: excess(times, quota) for name, times in passed.items()}
    for axes, (name, times) in zip(panels, passed.items(), strict=True):
        _panel(axes, [now for now in times if now <= asked[-1]], asked, quota)
        axes.set_title(name)
        axes.text(0.97, 0.04, _verdict(found[name]), transform=axes.transAxes, ha="right", va="bottom")
    panels[0].set_ylabel("requests let through")
    panels[len(panels) // 2].set_xlabel("seconds since the first request")
    panels[0].set_ylim(0)
    return figure, found


def _panel(axes: Axes, passed: Sequence[int], asked: Sequence[int], quota: Quota) -> None:
    end = (asked[-1] - asked[0]) / NANOSECONDS
    times = [(now - asked[0]) / NANOSECONDS for now in passed]
    rate = quota.limit * NANOSECONDS / quota.period
    axes.plot([0, end], [quota.burst, quota.burst + rate * end], color=CONTEXT, linewidth=1.4, linestyle=(0, (4, 2)))
    axes.step([0, *times, end], [0, *range(1, len(times) + 1), len(times)], where="post", color=ADMITTED)


def _verdict(above: float) -> str:
    if above >= 1:
        return f"{above:,.{1 if above < 100 else 0}f} above\nthe line"
    return "less than 1\nabove" if above > 0 else "never above\nthe line"
