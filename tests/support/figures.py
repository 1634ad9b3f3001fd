"""What is drawn in a figure, as plain numbers."""

from __future__ import annotations

import numpy
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from matplotlib.patches import StepPatch


def xs(line: Line2D) -> list[float]:
    """Where its points are from left to right."""
    return [float(value) for value in numpy.asarray(line.get_xdata())]


def ys(line: Line2D) -> list[float]:
    """How high its points are."""
    return [float(value) for value in numpy.asarray(line.get_ydata())]


def colour(marks: LineCollection) -> str:
    """The colour of the first mark."""
    red, green, blue, _ = (float(part) for part in numpy.asarray(marks.get_colors())[0])
    return to_hex((red, green, blue))


def stairs(axes: Axes) -> list[list[float]]:
    """The heights of each line of stairs, in the order in which they were drawn."""
    drawn = (patch for patch in axes.patches if isinstance(patch, StepPatch))
    return [[float(value) for value in numpy.asarray(patch.get_data()[0])] for patch in drawn]
