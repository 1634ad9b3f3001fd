"""Popularity in pictures: hit ratios by the size of a cache, and what a crawler does to them.

Rule: dots are simulated, lines are theory. Blue is the gateway's own table, dark the one that it is compared with.

What it does not do: draw requests (`popularity.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from api_gateway.plotting.caching.popularity import Kind, Scan, best, che
from api_gateway.plotting.style import ADMITTED, CONTEXT, INK, TRIGGER, Label, Picture, label_ends, new_figure

_COLOURS: Mapping[Kind, str] = {"least recently used": INK, "S3-FIFO": ADMITTED}
_SHAPES: Mapping[Kind, str] = {"least recently used": "s", "S3-FIFO": "o"}


def ratio_by_room(
    found: Mapping[Kind, Mapping[int, float]], shares: Sequence[float], headline: str
) -> tuple[Picture, dict[int, float]]:
    """Draw hit ratios by room beside Che's approximation and the best there can be; give Che's at the same places."""
    figure, (axes,) = new_figure(headline, height=4.4)
    rooms = sorted({room for by_room in found.values() for room in by_room})
    least, most = rooms[0], rooms[-1]
    curve = sorted({round(least * (most / least) ** (step / 60)) for step in range(61)})
    lines = {"the best there can be": (":", [best(shares, room) for room in curve]),
             "least recently used,\nby Che": ("-", [che(shares, room) for room in curve])}  # fmt: skip
    for style, line in lines.values():
        axes.plot(curve, [100 * ratio for ratio in line], linestyle=style, color=CONTEXT, linewidth=1.5)
    for kind, by_room in found.items():
        axes.plot(list(by_room), [100 * ratio for ratio in by_room.values()], _SHAPES[kind], color=_COLOURS[kind],
                  markersize=5.5, clip_on=False, zorder=3)  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(least, most)
    axes.set_ylim(0, 100)
    axes.set_xticks(rooms, [f"{100 * room / len(shares):g} %" for room in rooms])
    axes.minorticks_off()
    axes.set_xlabel("room, as a share of all pages")
    axes.set_ylabel("hit ratio, per cent")
    labels = [Label(most, 100 * line[-1], name, CONTEXT) for name, (_, line) in lines.items()]
    label_ends(axes, labels, apart=0.1)
    middle = rooms[len(rooms) // 2 - 1]
    for kind, by_room in found.items():
        above = kind == "S3-FIFO"
        axes.annotate(kind, (middle, 100 * by_room[middle]), xytext=(-8, 10) if above else (8, -14),
                      textcoords="offset points", ha="right" if above else "left", color=_COLOURS[kind])  # fmt: skip
    return figure, {room: che(shares, room) for room in rooms}


def ratio_around_a_scan(
    found: Mapping[Kind, Sequence[float]], scan: Scan, width: int, headline: str
) -> tuple[Picture, dict[Kind, float]]:
    """Draw the clients' hit ratios over time; give by how much each falls at most, from before the scan."""
    figure, (axes,) = new_figure(headline, height=3.7)
    axes.axvspan(scan.start, scan.start + scan.pages, color=TRIGGER, linewidth=0, zorder=0)
    count = max(len(ratios) for ratios in found.values())
    for kind, ratios in found.items():
        edges = [width * number for number in range(len(ratios) + 1)]
        axes.stairs([100 * ratio for ratio in ratios], edges, baseline=None, color=_COLOURS[kind], linewidth=1.8)
    axes.set_xlim(0, width * count)
    axes.set_ylim(0, 85)
    label_ends(axes, [Label(width * count, 100 * ratios[-1], kind, _COLOURS[kind]) for kind, ratios in found.items()])
    axes.annotate(f"a crawler reads\n{scan.pages:,} pages", (scan.start + scan.pages / 2, 0.03),
                  xycoords=("data", "axes fraction"), ha="center", va="bottom")  # fmt: skip
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("requests of clients")
    axes.set_ylabel("hit ratio of clients, per cent")
    first = scan.start // width
    before = {kind: sum(ratios[first - 3 : first]) / 3 for kind, ratios in found.items()}
    return figure, {kind: before[kind] - min(ratios[first:]) for kind, ratios in found.items()}
