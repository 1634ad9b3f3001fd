"""Costs: CPU time of a choice, by the number of endpoints.

Rule: both scales are logarithmic, so what costs the same for any number is level, and what looks at all of them climbs
with the diagonal. A choice is followed by its request's begin and end, without which least connections would have
nothing to keep in order. The least of several rounds counts, as noise only adds.

What it does not do: read a clock. The caller hands one in, because measuring is not drawing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random

from api_gateway.backend.endpoint import Endpoint
from api_gateway.core.clock import SystemClock
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.plotting.load_balancing.laboratory import MakeLoadBalancer
from api_gateway.plotting.style import ADMITTED, INK, Label, Picture, label_ends, new_figure


def nanoseconds_of_a_choice(
    make: MakeLoadBalancer, count: int, cpu_time: Callable[[], int], *, choices: int = 300, rounds: int = 9
) -> float:
    """What one choice among `count` endpoints takes; `cpu_time` gives nanoseconds."""
    random = Random(1)
    members = tuple([Endpoint(f"http://e{number}") for number in range(count)])
    for member in members:
        for _ in range(int(random.random() * 4)):
            member.acquire()
    balancer = make(SystemClock(), random)
    asked, context = [Request("GET", f"/{number}") for number in range(choices)], RequestContext()
    balancer.select(members, asked[0], context)
    found = []
    for _ in range(rounds):
        started = cpu_time()
        for request in asked:
            endpoint = balancer.select(members, request, context)
            endpoint.acquire()
            endpoint.release()
        found.append((cpu_time() - started) / choices)
    return min(found)


def cost_of_a_choice(
    costs: Mapping[str, Mapping[int, float]], highlighted: Sequence[str], headline: str
) -> tuple[Picture, dict[str, float]]:
    """Draw nanoseconds by name and number of endpoints; give how many times dearer the most are than the fewest."""
    figure, (axes,) = new_figure(headline, height=4)
    labels = []
    for name, by_count in costs.items():
        colour = ADMITTED if name in highlighted else INK
        axes.plot(
            list(by_count), list(by_count.values()), "o-", color=colour, markersize=4, linewidth=1.4, clip_on=False
        )
        labels.append(Label(max(by_count), by_count[max(by_count)], name, colour))
    counts = list(next(iter(costs.values())))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.set_xlim(min(counts) * 0.9, max(counts))
    low, high = axes.get_ylim()
    ticks = [tick for power in range(6) for tick in (10**power, 3 * 10**power) if low <= tick <= high]
    axes.set_yticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("endpoints")
    axes.set_ylabel("CPU time of a choice, nanoseconds")
    label_ends(axes, labels, apart=0.06)
    return figure, {name: by_count[max(by_count)] / by_count[min(by_count)] for name, by_count in costs.items()}
