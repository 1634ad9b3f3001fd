"""Turns: who gets the next request under weights, drawn as a row of marks for each endpoint.

Rule: a mark is one request; the light lines are where a round ends, after as many turns as the sum of the weights.
Under the gateway's smooth sequence stands the naive one, which gives each endpoint all its turns at once.

What it does not do: serve. Turns are the policy's, whatever the endpoints are doing.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.load_balancer import LoadBalancer
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.plotting.style import ADMITTED, CONTEXT, INK, TRIGGER, Picture, new_figure, quiet


def turns_of(balancer: LoadBalancer, weights: Mapping[str, int], rounds: int = 1) -> str:
    """Who gets the requests of so many rounds; names are one letter each."""
    members = tuple([Endpoint(f"http://{name}", weight) for name, weight in weights.items()])
    request, context = Request("GET", "/"), RequestContext()
    turns = rounds * sum(weights.values())
    return "".join(balancer.select(members, request, context).url[-1] for _ in range(turns))


def naive_turns(weights: Mapping[str, int], rounds: int = 1) -> str:
    """Each endpoint's turns at once."""
    return "".join(name * weight for name, weight in weights.items()) * rounds


def longest_run(turns: str) -> int:
    """The most requests in a row to one endpoint."""
    return max(len(list(run)) for _, run in groupby(turns))


def turns_in_rows(
    sequences: Mapping[str, str], weights: Mapping[str, int], headline: str
) -> tuple[Picture, dict[str, int]]:
    """Draw sequences of turns by name, the first one the gateway's, and give the longest run of each."""
    figure, panels = new_figure(headline, rows=len(sequences), height=1.0 + 1.15 * len(sequences))
    for axes, (name, turns) in zip(panels, sequences.items(), strict=True):
        colour = ADMITTED if axes is panels[0] else INK
        for end in range(0, len(turns) + 1, sum(weights.values())):
            axes.axvline(end + 0.5, color=TRIGGER, linewidth=1.2, zorder=0)
        for row, member in enumerate(weights):
            places = [place for place, turn in enumerate(turns, 1) if turn == member]
            axes.plot(places, [row] * len(places), "s", color=colour, markersize=9)
        axes.set_yticks(range(len(weights)), [f"{member}, weight {weight}" for member, weight in weights.items()])
        axes.set_ylim(len(weights) - 0.4, -0.6)
        axes.set_title(name)
        axes.spines["bottom"].set_visible(axes is panels[-1])
        axes.tick_params(axis="x", length=0, labelbottom=axes is panels[-1])
        quiet(axes, y=True)
    panels[-1].set_xlim(0, len(next(iter(sequences.values()))) + 1)
    panels[-1].set_xlabel("requests, in order")
    panels[-1].tick_params(axis="x", colors=CONTEXT, labelcolor=INK)
    return figure, {name: longest_run(turns) for name, turns in sequences.items()}
