"""Mistakes against load: what each limiter refuses although there is room, and admits although there is none.

Rule: the same Poisson traffic for all, at growing load; each point is a share of the requests that were
asked (`judgement.py`). Left, in orange, false refusals; right, in blue, over-admissions.

What it does not do: weigh one mistake against the other. That depends on whom the limit protects.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from matplotlib.axes import Axes

from api_gateway.plotting.rate_limiters.judgement import Judgement, judge
from api_gateway.plotting.rate_limiters.traffic import poisson
from api_gateway.plotting.style import ADMITTED, REFUSED, TRIGGER, Label, Picture, label_ends, new_figure
from api_gateway.rate_limiting import RateLimiter

Judgements: TypeAlias = dict[str, list[Judgement]]
"""By the limiter's name; one for each load."""

_MARKS = "osD^v"


def judgements(
    limiters: Mapping[str, Callable[[], RateLimiter]],
    limit: int,
    period: float,
    loads: Sequence[float],
    *,
    periods: int,
    seed: int = 1,
) -> Judgements:
    """Judge new limiters, at each load on traffic of so many periods; 1 is a load as high as the limit."""
    found: Judgements = {name: [] for name in limiters}
    for load in loads:
        arrivals = poisson(load * limit / period, periods * period, random.Random(seed))
        for name, make in limiters.items():
            found[name].append(judge(make(), arrivals, limit, period))
    return found


def mistakes_against_load(
    found: Judgements, loads: Sequence[float], headline: str
) -> tuple[Picture, dict[str, tuple[float, float]]]:
    """Draw both mistakes, and give the greatest share of each: false refusals, over-admissions."""
    figure, (left, right) = new_figure(headline, columns=2, width=10, height=4.2)
    _panel(left, loads, {name: [one.false_share for one in many] for name, many in found.items()}, REFUSED)
    _panel(right, loads, {name: [one.over_share for one in many] for name, many in found.items()}, ADMITTED)
    left.set_title("refused, though there was room in the last period")
    right.set_title("admitted, though there was none")
    left.set_ylabel("% of requests")
    for axes in (left, right):
        axes.set_xlabel("load: requests asked / limit")
        axes.axvline(1, color=TRIGGER, linewidth=1.2, zorder=0)
        axes.set_xticks([0.5, 1, 1.5])
    return figure, {
        name: (max(one.false_share for one in many), max(one.over_share for one in many))
        for name, many in found.items()
    }


def _panel(axes: Axes, loads: Sequence[float], shares: Mapping[str, Sequence[float]], colour: str) -> None:
    labels = []
    for mark, (name, line) in zip(_MARKS, shares.items(), strict=False):
        percents = [100 * share for share in line]
        axes.plot(loads, percents, color=colour, marker=mark, markersize=4, linewidth=1.2)
        labels.append(Label(loads[-1], percents[-1], name, colour))
    axes.set_ylim(bottom=0)
    label_ends(axes, labels)
