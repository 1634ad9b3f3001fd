"""Picture: one X-ray, a row for each decision, time to the right.

Rule: the pale bar of a row is the time in which its step was not over, the solid part of it that in which none of its
inner steps ran. So at each moment there is one solid bar, as long as nothing runs side by side. Blue came to a good
end, pale orange did not, and whose doing that was is orange and has a cross. Grey are layers that only passed on. At
the right stands what decided (`words.py`). Numbers in circles count the steps to which one step passed on: tries, or
parts.

What it does not do: ask anybody. All of it is in the X-ray.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from matplotlib.axes import Axes

from api_gateway.core.xray.xray import XRay
from api_gateway.plotting.style import ADMITTED, CONTEXT, INK, REFUSED, Picture, new_figure, quiet
from api_gateway.plotting.xray.in_order import in_order
from api_gateway.plotting.xray.rows import Row, rows_of
from api_gateway.plotting.xray.words import line_for

_ROW = 0.27  # inches
_INDENT = 6  # points
_LETTER = 4.7  # points, of the text in which rows are named
_SIZE = 8.5
_MOST_CIRCLES = 20
_UNITS = (("seconds", 1_000_000_000), ("milliseconds", 1_000_000), ("microseconds", 1_000))


def picture(xray: XRay, headline: str) -> tuple[Picture, dict[str, float]]:
    """Draw it, and give each step's own milliseconds; those of steps of one name are added up."""
    timed = xray.first.duration > 0
    first = xray.first if timed else in_order(xray.first)
    rows = list(rows_of(first))
    unit, size = _unit(first.duration) if timed else ("", 1)
    figure, (axes,) = new_figure(headline, height=1.1 + _ROW * len(rows))
    names = [_name(row) for row in rows]
    room = max(_INDENT * row.depth + _LETTER * len(name) for row, name in zip(rows, names, strict=True))
    for place, (row, name, line) in enumerate(zip(rows, names, _lines(rows), strict=True)):
        _draw(axes, place, row, size)
        shade = INK if row.decided else CONTEXT
        _write(axes, 0, place, _INDENT * row.depth - room - 8, name, shade)
        _write(axes, 1, place, 14, line, shade)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, first.duration / size)
    quiet(axes)
    axes.set_xlabel(f"{unit} since the request came" if timed else "in this order; it took no time")
    if not timed:
        axes.set_xticks([])
    own: dict[str, float] = defaultdict(float)
    for step in xray.steps:
        own[step.name] += step.own / 1_000_000
    return figure, dict(own)


def _unit(nanoseconds: int) -> tuple[str, int]:
    return next(((name, size) for name, size in _UNITS if nanoseconds >= size), _UNITS[-1])


def _name(row: Row) -> str:
    name = row.step.name if len(row.steps) == 1 else f"{len(row.steps)} layers"
    if not row.turn:
        return name
    return f"{chr(0x245F + row.turn) if row.turn <= _MOST_CIRCLES else row.turn} {name}"


def _lines(rows: list[Row]) -> Iterator[str]:
    endpoint = ""
    for row in rows:
        found = row.step.found.get("endpoint")
        endpoint = found if isinstance(found, str) else endpoint
        yield line_for(row, endpoint)


def _draw(axes: Axes, place: int, row: Row, size: int) -> None:
    colour = CONTEXT if not row.decided else REFUSED if row.failed else ADMITTED
    own_colour = CONTEXT if row.failed and not row.refused else colour
    began, length = row.step.began / size, row.step.duration / size
    axes.barh(place, length, 0.64, began, color=colour, alpha=0.17, linewidth=0)
    for step in row.steps:
        for start, end in step.own_times():
            axes.barh(place, (end - start) / size, 0.64, start / size, color=own_colour, linewidth=0)
    if row.refused:
        axes.annotate(
            "\u00d7",
            (began + length, place),
            xytext=(2, -0.5),
            textcoords="offset points",
            va="center",
            color=colour,
            weight="bold",
            annotation_clip=False,
        )


def _write(axes: Axes, side: int, place: int, offset: float, text: str, shade: str) -> None:
    """A text in a row, so many points to the right of the left or of the right side."""
    axes.annotate(
        text,
        (side, place),
        xycoords=axes.get_yaxis_transform(),
        xytext=(offset, 0),
        textcoords="offset points",
        va="center",
        color=shade,
        fontsize=_SIZE,
        annotation_clip=False,
    )
