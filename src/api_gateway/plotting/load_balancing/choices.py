"""Choices: one draw, two, three: how high the fullest bin is, and how long the longest queue.

Rule: a point is how many bins (or which share of servers) hold at least k. The scale upwards is logarithmic, so one
draw falls as a line, and two as a stone: each step down is twice as steep as the one before.

`LeastOf` is a policy that the gateway does not have: any number of draws. It shows that a third is not worth it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from operator import attrgetter
from random import Random

from matplotlib.axes import Axes

from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.load_balancer import LoadBalancer
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.plotting.load_balancing.laboratory import Trial
from api_gateway.plotting.load_balancing.theory import bins_of_at_least, queue_of_at_least
from api_gateway.plotting.style import ADMITTED, CONTEXT, INK, Picture, new_figure

_SHAPES = {1: "o", 2: "s", 3: "^"}
_COLOURS = {1: INK, 2: ADMITTED, 3: INK}
_NAMES = {1: "one draw", 2: "two", 3: "three"}


class LeastOf:
    """Takes the least busy of so many that are drawn, where one may be drawn twice."""

    def __init__(self, draws: int, random: Random) -> None:
        """`random` draws; the same seed gives the same draws."""
        self._draws = draws
        self._random = random

    def select(self, endpoints: Sequence[Endpoint], request: Request, context: RequestContext) -> Endpoint:
        """The first one drawn of those with the least in flight."""
        draw = self._random.random
        drawn = [endpoints[int(draw() * len(endpoints))] for _ in range(self._draws)]
        return min(drawn, key=attrgetter("in_flight"))


def balls_in_bins(balancer: LoadBalancer, count: int) -> list[int]:
    """So many requests, none of which ends, to as many endpoints: how many of these have at least 0, 1 ... requests."""
    members = tuple([Endpoint(f"http://bin/{number}") for number in range(count)])
    request, context = Request("GET", "/"), RequestContext()
    for _ in range(count):
        balancer.select(members, request, context).acquire()
    heights = Counter(member.in_flight for member in members)
    return [sum(heights[height] for height in heights if height >= least) for least in range(max(heights) + 1)]


def queues(trial: Trial, warm: float) -> list[float]:
    """The share of servers with at least 0, 1 ... requests, over all samples from second `warm` on."""
    heights = Counter(load for loads in trial.loads for load in loads[round(warm / trial.every) :])
    total = heights.total()
    return [sum(heights[h] for h in heights if h >= least) / total for least in range(int(max(heights)) + 1)]


def power_of_choices(
    bins: Mapping[int, Sequence[int]], shares: Mapping[int, Sequence[float]], load: float, headline: str
) -> tuple[Picture, dict[int, int]]:
    """Draw bins and queues by the number of draws, with theory; give the height of the fullest bin."""
    figure, (left, right) = new_figure(headline, columns=2, height=4.1, shared=False)
    count = next(iter(bins.values()))[0]
    for draws, counts in bins.items():
        expected = [count * share for share in bins_of_at_least(12, draws)]
        _line(left, draws, counts, expected, 0.5)
    for draws, measured in shares.items():
        expected = [queue_of_at_least(length, draws, load) for length in range(60)]
        _line(right, draws, measured, expected, 1e-3)
    left.set_title(f"{count:,} balls in {count:,} bins")
    left.set_xlabel("k")
    left.set_ylabel("bins with at least k balls")
    left.set_ylim(0.5, 2 * count)
    left.set_xlim(-0.3, 10)
    right.set_title(f"queues, at {load:.0%} load")
    right.set_xlabel("k")
    right.set_ylabel("share of servers with at least k requests")
    right.set_ylim(1e-3, 1.6)
    right.set_xlim(-1.6, 28)
    for axes in (left, right):
        axes.minorticks_off()
    return figure, {draws: len(counts) - 1 for draws, counts in bins.items()}


def _line(axes: Axes, draws: int, measured: Sequence[float], expected: Sequence[float], floor: float) -> None:
    shown = [height for height in expected if height >= floor / 30]
    axes.set_yscale("log")
    axes.plot(range(len(shown)), shown, color=CONTEXT, linewidth=1.0, zorder=1)
    seen = [height for height in measured if height >= floor]
    colour = _COLOURS[draws]
    face = "white" if draws == 3 else colour
    axes.plot(
        range(len(seen)), seen, _SHAPES[draws], color=colour, markerfacecolor=face, markersize=5, zorder=2 + draws
    )
    side = -1 if draws == 3 else 1
    axes.annotate(
        _NAMES[draws],
        (len(seen) - 1, seen[-1]),
        xytext=(8 * side, 1),
        textcoords="offset points",
        ha="left" if side > 0 else "right",
        va="center",
        color=colour,
    )
