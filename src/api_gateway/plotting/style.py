"""Style: how every figure of the project looks. The one file that knows colours and sets rcParams.

Rule: a colour has one meaning everywhere, and a shape or a height always says the same again, so that
nothing depends on seeing colours. The headline is the finding, a sentence, at the left. A line has its
name at its end; there is no legend. No top or right spine, no grid.

Colours are of the palette of Okabe and Ito, whose blue and vermilion stay apart for every kind of colour
vision, and in grey.

A `Picture` shows itself in a notebook by being the last expression of a cell. `pyplot` is not used, so no
figure outlives its cell. What a figure looks like depends on nothing but its data and matplotlib's version.

What it does not do: compute. Helpers beside this file return `(figure, numbers)`, and numbers come first.

Source: M. Okabe and K. Ito, "Color universal design", 2008; E. Tufte, "The visual display of quantitative
information", 1983, on labels at the data and ink that says nothing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from io import BytesIO
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

ADMITTED = "#0072B2"
REFUSED = "#D55E00"
TRIGGER = "#d8dce2"
"""What was done to the system: a window's boundary, a fault that is switched on."""
CONTEXT = "#9aa1ab"
"""What a finding is compared with."""
INK = "#2e3440"

_RC_PARAMS: dict[Any, Any] = {  # only the newest matplotlib has a type for its keys
    "axes.edgecolor": CONTEXT,
    "axes.labelcolor": INK,
    "axes.labelsize": 9.5,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.titlesize": 13,
    "figure.titleweight": "bold",
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so it is the same everywhere
    "font.size": 9.5,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "butt",
    "text.color": INK,
    "xtick.color": CONTEXT,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.color": CONTEXT,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 9,
}
DOTS_PER_INCH = 100
_SHARPNESS = 2  # pixels for each dot, for screens that have them
_COLOURS = 64
_CHARACTERS_PER_INCH = 9.6  # of a headline


class Picture(Figure):
    """A figure that a notebook can show."""

    def png(self) -> bytes:
        """The picture, the same bytes for the same data, in few colours: a third of the size in a repository."""
        drawn, packed = BytesIO(), BytesIO()
        self.savefig(drawn, format="png", dpi=DOTS_PER_INCH * _SHARPNESS)
        with Image.open(drawn) as image:
            image.convert("RGB").quantize(_COLOURS).save(packed, format="png", optimize=True)
        return packed.getvalue()

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        width, height = (round(inches * DOTS_PER_INCH) for inches in self.get_size_inches())
        return self.png(), {"width": width, "height": height}

    def __repr__(self) -> str:
        return f"<Picture: {self.get_suptitle()}>".replace("\n", " ")


def new_figure(
    headline: str,
    rows: int = 1,
    columns: int = 1,
    *,
    width: float = 9,
    height: float = 4,
    heights: Sequence[float] | None = None,
    shared: bool = True,
) -> tuple[Picture, list[Axes]]:
    """An empty figure, and its axes row by row.

    Args:
        headline: what the figure shows, as a sentence.
        rows: how many axes one above the other.
        columns: how many axes side by side.
        width: inches.
        height: inches.
        heights: of the rows, in relation to each other; equal unless given.
        shared: whether all axes have the same scales.
    """
    matplotlib.rcParams.update(_RC_PARAMS)
    figure = Picture(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08))
    FigureCanvasAgg(figure)
    lines = textwrap.wrap(headline, int(width * _CHARACTERS_PER_INCH))
    figure.suptitle("\n".join(lines), x=0.01, ha="left")
    grid = figure.subplots(
        rows, columns, sharex=shared, sharey=shared, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    return figure, [axes for row in grid for axes in row]


class Label(NamedTuple):
    """A name, and the end of the line that it belongs to."""

    x: float
    y: float
    text: str
    colour: str = INK


def label_ends(axes: Axes, labels: Sequence[Label], apart: float = 0.055) -> None:
    """Write each name to the right of its line's end, and push apart those that would overlap.

    Call it when the scales are final.

    Args:
        axes: where the lines are.
        labels: the names.
        apart: the least distance between two, as a share of the height of the axes.
    """
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = [(float(to_axes.transform((label.x, label.y))[1]), label) for label in labels]
    ends.sort(key=lambda end: end[0])
    heights = _pushed_apart([height for height, _ in ends], apart)
    for height, (_, label) in zip(heights, ends, strict=True):
        axes.annotate(
            label.text,
            xy=(label.x, height),
            xycoords=("data", "axes fraction"),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=label.colour,
            annotation_clip=False,
        )


def _pushed_apart(heights: Sequence[float], apart: float) -> list[float]:
    """Ascending heights, moved as little as it takes to be `apart`, none below 0."""
    groups: list[tuple[float, int]] = []  # the middle of neighbours that touch, and how many they are
    for height in heights:
        middle, count = max(0.0, height), 1
        while groups and middle - groups[-1][0] < apart * (count + groups[-1][1]) / 2:
            before, others = groups.pop()
            middle, count = (middle * count + before * others) / (count + others), count + others
            middle = max(middle, (count - 1) / 2 * apart)
        groups.append((middle, count))
    return [middle + (place - (count - 1) / 2) * apart for middle, count in groups for place in range(count)]


def quiet(axes: Axes, *, y: bool = False) -> None:
    """Take away what says nothing in a row of marks: the left spine and the ticks; `y` keeps the ticks' names."""
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelleft=y)
