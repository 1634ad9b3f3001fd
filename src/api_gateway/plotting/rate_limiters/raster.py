"""The admission raster: one row for each limiter, one mark for each request.

Rule: admitted is a tall blue mark where the request goes on to the service, refused a short orange one where
it came; above them, in grey, everything that was asked. Windows that a limiter aligns to the clock begin at
the light lines.

What it does not do: choose limiters or traffic, or judge.
"""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes

from api_gateway.plotting.rate_limiters.replay import Replay
from api_gateway.plotting.style import ADMITTED, CONTEXT, INK, REFUSED, TRIGGER, Picture, new_figure, quiet
from api_gateway.rate_limiting.rate_limiter import NANOSECONDS

_TALL = 0.78
_SHORT = 0.3


def admission_raster(
    replays: Mapping[str, Replay],
    headline: str,
    period: float | None = 1.0,
    notes: Mapping[float, str] | None = None,
) -> tuple[Picture, dict[str, int]]:
    """Draw `replays` of the same traffic, and count what each admitted.

    Args:
        replays: by the name for the row.
        headline: the finding.
        period: seconds between the light lines; None for no lines.
        notes: what happens, by the second at which it begins; written above the requests.
    """
    figure, (axes,) = new_figure(headline, height=1.1 + 0.44 * (len(replays) + 1))
    arrivals = next(iter(replays.values())).arrivals
    last = max([arrivals[-1], *(replay.left[-1] for replay in replays.values() if replay.left)])
    start, end = arrivals[0] / NANOSECONDS, last / NANOSECONDS
    names = ["asked", *replays]
    _marks(axes, 0, arrivals, CONTEXT, _TALL)
    for row, replay in enumerate(replays.values(), 1):
        _marks(axes, row, replay.left, ADMITTED, _TALL)
        _marks(axes, row, replay.refused, REFUSED, _SHORT)
        _count(axes, row, f"{len(replay.left)} in", ADMITTED)
        _count(axes, row, f"{len(replay.refused)} out", REFUSED, offset=44)
    _count(axes, 0, f"{len(arrivals)} requests", INK)
    if period is not None:
        boundaries = [number * period for number in range(int(start / period), int(end / period) + 1)]
        for boundary in boundaries:
            axes.axvline(boundary, color=TRIGGER, linewidth=1.2, zorder=0)
        start = boundaries[0]
    for second, note in (notes or {}).items():
        axes.annotate(note, (second, -0.52), va="bottom", annotation_clip=False)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.45, -0.55)
    margin = (end - start) * 0.01
    axes.set_xlim(start - margin, end + margin)
    axes.set_xlabel("time, seconds")
    quiet(axes, y=True)
    return figure, {name: len(replay.left) for name, replay in replays.items()}


def _marks(axes: Axes, row: int, times: list[int] | tuple[int, ...], colour: str, height: float) -> None:
    """Marks that stand on the foot of the row."""
    foot = row + _TALL / 2
    seconds = [now / NANOSECONDS for now in times]
    axes.vlines(seconds, foot, foot - height, colors=colour, linewidth=1.3)


def _count(axes: Axes, row: int, text: str, colour: str, offset: int = 6) -> None:
    axes.annotate(
        text,
        xy=(1, row),
        xycoords=("axes fraction", "data"),
        xytext=(offset, 0),
        textcoords="offset points",
        va="center",
        color=colour,
    )
