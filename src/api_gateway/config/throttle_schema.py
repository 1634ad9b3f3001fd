"""The client-side throttle in the configuration: how much more than it accepts a service may be asked.

    throttle: {k: 2, window: 2m}
    throttle: {}                     # the same

What it does not do: know the service's capacity. That is what the throttle finds out.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema

from api_gateway.config.fields import text
from api_gateway.config.model import Model
from api_gateway.config.problems import Refusal, shown
from api_gateway.config.units import parse_duration

_K_REMEDY = "write a number from 1 to 100, such as 2"


def _k(value: object) -> float:
    if isinstance(value, str):
        try:
            value = float(text(value))
        except ValueError:
            raise Refusal(f"expected k, not {shown(value)}", _K_REMEDY) from None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Refusal(f"expected k, not {shown(value)}", _K_REMEDY)
    if value < 1:
        raise Refusal(f"a throttle with k {value:g} would refuse requests to a healthy service", _K_REMEDY)
    if not value <= 100:
        raise Refusal(f"k {value:g} is out of range", _K_REMEDY)
    return float(value)


def _window(value: object) -> float:
    seconds = parse_duration(value)
    if not 1 <= seconds <= 3600:
        raise Refusal(f"{shown(value)} is out of range for the window of a throttle", "write from 1s to 1h")
    return seconds


K: TypeAlias = Annotated[float, BeforeValidator(_k), WithJsonSchema({"type": ["number", "string"]})]
Window: TypeAlias = Annotated[
    float, BeforeValidator(_window), WithJsonSchema({"type": ["string", "number"], "examples": ["2m", "30s"]})
]


class ThrottleConfig(Model):
    """The throttle of one service."""

    k: K = 2.0
    """Requests for each that the service accepts; nearer to 1 spares it more, and notices its recovery later."""
    window: Window = 120.0
    """Seconds over which requests are counted."""
