"""The client-side throttle in the configuration: how much more than it accepts a service may be asked.

    throttle: {k: 2, window: 2m}
    throttle: {}                     # the same

What it does not do: know the service's capacity. That is what the throttle finds out.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema

from api_gateway.config.model import Model
from api_gateway.config.problems import Refusal, shown
from api_gateway.config.share import number
from api_gateway.config.units import parse_duration

_K_REMEDY = "write a number from 1 to 100, such as 2"


def _k(value: object) -> float:
    k = number(value, "k", _K_REMEDY)
    if k < 1:
        raise Refusal(f"a throttle with k {k:g} would refuse requests to a healthy service", _K_REMEDY)
    if k > 100:
        raise Refusal(f"k {k:g} is out of range", _K_REMEDY)
    return k


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
