"""Hashing: which keys move when members change, and how even the shares of a ring are.

Rule: owners are asked of the real balancer, key by key, with nothing in flight, so that its bound plays no part. Keys
stand in the order of who owned them before. A key that stays is a light stroke, one that moves a dark one.

The gateway's ring has 128 points an endpoint. `ring_shares` builds rings of any number from the same hash.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from hashlib import blake2b

from api_gateway.backend.consistent_hash_load_balancer import POINTS, ConsistentHashLoadBalancer, by_path
from api_gateway.backend.endpoint import Endpoint
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.plotting.style import ADMITTED, CONTEXT, INK, TRIGGER, Picture, new_figure, quiet

Owners = Sequence[int]
"""For each key, the number of its endpoint."""


def endpoints(count: int) -> tuple[Endpoint, ...]:
    """So many, alike."""
    return tuple([Endpoint(f"http://e{number}") for number in range(count)])


def owners_on_the_ring(members: Sequence[Endpoint], keys: int) -> Owners:
    """Whom the gateway's own balancer sends each of so many keys to."""
    balancer, context = ConsistentHashLoadBalancer(by_path), RequestContext()
    places = {id(member): int(member.url.removeprefix("http://e")) for member in members}
    return [places[id(balancer.select(members, Request("GET", f"/{key}"), context))] for key in range(keys)]


def owners_by_remainder(members: Sequence[Endpoint], keys: int) -> Owners:
    """The naive way: the hash of the key modulo the number of endpoints."""
    numbers = [int(member.url.removeprefix("http://e")) for member in members]
    return [numbers[_hash(f"/{key}") % len(numbers)] for key in range(keys)]


def moved(before: Owners, after: Owners) -> list[bool]:
    """For each key, whether it has another owner now."""
    return [one != other for one, other in zip(before, after, strict=True)]


def keys_that_move(changes: Mapping[str, tuple[Owners, Owners]], headline: str) -> tuple[Picture, dict[str, float]]:
    """Draw a row of keys for each change, and give the share that moved."""
    figure, (axes,) = new_figure(headline, height=1.1 + 0.72 * len(changes))
    shares = {}
    for row, (name, (before, after)) in enumerate(changes.items()):
        order = sorted(range(len(before)), key=lambda key: (before[key], key))
        flags = [before[key] != after[key] for key in order]
        shares[name] = sum(flags) / len(flags)
        for colour, flag, height in ((TRIGGER, False, 0.24), (INK, True, 0.36)):
            places = [place for place, is_moved in enumerate(flags) if is_moved is flag]
            axes.vlines(places, row - height, row + height, colors=colour, linewidth=0.8)
        axes.annotate(
            f"{shares[name]:.1%} move",
            (1, row),
            xycoords=("axes fraction", "data"),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
        )
    axes.set_yticks(range(len(changes)), list(changes))
    axes.set_ylim(len(changes) - 0.5, -0.5)
    axes.set_xlim(-4, len(before) + 3)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.set_xlabel(f"{len(before):,} keys, in the order of the endpoint that had them before")
    quiet(axes, y=True)
    return figure, shares


def ring_shares(members: int, points: int) -> list[float]:
    """What each of so many endpoints owns of a ring with so many points for each; 1.0 is its fair share."""
    ring = sorted(place for number in range(members) for place in _points(f"http://e{number}", number, points))
    arcs = [0] * members
    for (before, _), (place, number) in zip([(ring[-1][0] - 2**64, 0), *ring], ring, strict=False):
        arcs[number] += place - before
    return [arc / 2**64 * members for arc in arcs]


def ring_spread(members: int, points: Sequence[int], headline: str) -> tuple[Picture, dict[int, float]]:
    """Draw every endpoint's share by the number of points, and give the standard deviation."""
    figure, (axes,) = new_figure(headline, height=3.8)
    shares = {count: ring_shares(members, count) for count in points}
    finer = [points[0] * (points[-1] / points[0]) ** (step / 100) for step in range(101)]
    low, high = ([max(0.0, 1 + sign / math.sqrt(count)) for count in finer] for sign in (-1, 1))
    axes.fill_between(finer, low, high, color=TRIGGER, linewidth=0, zorder=0)
    axes.axhline(1, color=CONTEXT, linewidth=1)
    for count, owned in shares.items():
        colour = ADMITTED if count == POINTS else INK
        axes.plot([count] * members, owned, "o", color=colour, markersize=4.5, alpha=0.55, markeredgewidth=0)
    axes.set_xscale("log")
    axes.set_xticks(list(points), [str(count) for count in points])
    axes.minorticks_off()
    axes.set_xlabel("points on the ring for each endpoint")
    axes.set_ylabel("share of the keys, fair = 1")
    axes.set_ylim(bottom=-0.08)
    axes.annotate("theory: 1 ± 1/√points", (finer[27], high[27]), xytext=(8, 12), textcoords="offset points")
    axes.annotate("the gateway's", (POINTS, max(shares[POINTS])), xytext=(0, 10), textcoords="offset points",
                  ha="center", color=ADMITTED)  # fmt: skip
    return figure, {count: statistics.pstdev(owned) for count, owned in shares.items()}


def _points(url: str, number: int, count: int) -> list[tuple[int, int]]:
    places: list[tuple[int, int]] = []
    for block in range(-(-count // 8)):
        digest = blake2b(f"{url} {block}".encode(), digest_size=64).digest()
        places += [(int.from_bytes(digest[start : start + 8], "big"), number) for start in range(0, 64, 8)]
    return places[:count]


def _hash(key: str) -> int:
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big")
