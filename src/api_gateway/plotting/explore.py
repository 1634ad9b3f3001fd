"""Explore: sliders for a figure where there is somebody to move them, the same figure where there is not.

    explore(picture_of, burst=Knob(10, 1, 20))

Rule: `draw` takes one number for each knob and returns a picture. With ipywidgets and a person at the
notebook, what `explore` returns is shown as sliders with the picture under them; without either, it is
the picture with every knob at its start. So a notebook says the same on paper, on a web page and
live.

Whether a person is there cannot be found out, so a program that runs notebooks says it: it sets
`API_GATEWAY_SLIDERS=off`.

What it does not do: hold state. Each move draws the figure anew, from the classes themselves.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from api_gateway.plotting.style import Picture

SWITCH = "API_GATEWAY_SLIDERS"
"""Environment variable; `off` for no sliders."""


class Knob(NamedTuple):
    """A number that may be moved between two others."""

    start: float
    least: float
    most: float
    step: float = 1


def explore(draw: Callable[..., Picture], **knobs: Knob) -> object:
    """What to show: sliders over a picture, or the picture alone."""
    if os.environ.get(SWITCH) == "off" or find_spec("ipywidgets") is None:
        return draw(**{name: knob.start for name, knob in knobs.items()})
    widgets = import_module("ipywidgets")
    sliders = {name: _slider(widgets, name, knob) for name, knob in knobs.items()}
    return widgets.interactive(draw, **sliders)


def _slider(widgets: object, name: str, knob: Knob) -> object:
    whole = all(isinstance(number, int) for number in knob)
    make = getattr(widgets, "IntSlider" if whole else "FloatSlider")
    return make(
        value=knob.start,
        min=knob.least,
        max=knob.most,
        step=knob.step,
        description=name.replace("_", " "),
        continuous_update=False,  # a figure takes longer to draw than a mouse to move
    )
