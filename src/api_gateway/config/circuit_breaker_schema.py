"""Circuit breakers in the configuration: when to leave a service alone, and how to ask it again.

    circuit_breaker: {window: 20, min_calls: 10, failure_rate: 0.5, open_for: 30s, half_open_calls: 3}
    circuit_breaker: {window: 10s, slow_call_after: 2s, slow_call_rate: 0.8, failure_statuses: [500, 502-504]}

Rule: a number alone is a count and one with a unit is a time, so `window: 20` is the last 20 calls and `window: 10s`
the last 10 seconds. What could never trip is an error: a minimum beyond the window, a rate of slow calls
where no call is slow.

What it does not do: make a breaker, or judge whether it is a good one.
"""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, ValidationInfo, WithJsonSchema, field_validator

from api_gateway.config.fields import Count, Duration
from api_gateway.config.model import Model
from api_gateway.config.problems import Refusal, shown
from api_gateway.config.share import Share
from api_gateway.config.status_ranges import status_ranges, statuses
from api_gateway.config.units import parse_duration

MIN_CALLS = 10
"""Unless given, and unless the window is smaller."""

_LARGEST_WINDOW = 100_000
_COUNT = re.compile(r"[0-9]{1,9}", re.ASCII)
_WINDOW_REMEDY = "write a count of calls such as 20, or a time such as 10s"


def _window(value: object) -> int | str:
    if isinstance(value, str) and _COUNT.fullmatch(value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= _LARGEST_WINDOW:
            raise Refusal(f"a window of {value} calls is out of range", f"write from 1 to {_LARGEST_WINDOW}")
        return value
    if not isinstance(value, str):
        raise Refusal(f"expected a window, not {shown(value)}", _WINDOW_REMEDY)
    try:
        seconds = parse_duration(value)
    except Refusal as refusal:
        raise Refusal(refusal.cause.replace("expected a duration", "expected a window"), _WINDOW_REMEDY) from None
    if not 0.001 <= seconds <= 3600:
        raise Refusal(f"a window of {value} is out of range", "write from 1ms to 1h")
    return value


Window: TypeAlias = Annotated[
    int | str,
    BeforeValidator(_window),
    WithJsonSchema({"type": ["integer", "string"], "description": "Calls, or a time", "examples": [20, "10s"]}),
]
Statuses: TypeAlias = Annotated[
    tuple[str, ...],
    BeforeValidator(status_ranges(200)),
    WithJsonSchema({"type": ["integer", "string", "array"], "examples": [500, "502-504"]}),
]


class CircuitBreakerConfig(Model):
    """The circuit breaker of one service."""

    window: Window = 20
    """The last so many calls, or the calls of the last so much time."""
    min_calls: Count | None = None
    """Fewer prove nothing; 10 unless given, or all of a smaller window."""
    failure_rate: Share = 0.5
    """The share of the calls in the window that has to fail."""
    slow_call_after: Duration | None = None
    """Seconds until the head of the answer, from which on a call is slow; unless given, none is."""
    slow_call_rate: Share | None = None
    """The share of the calls in the window that has to be slow; all of them unless given."""
    open_for: Duration = 30.0
    """Seconds in which the service is not asked."""
    half_open_calls: Count = 3
    """How many calls then find out whether it is back."""
    failure_statuses: Statuses = ("500-599",)
    """Answers that are failures."""

    @field_validator("min_calls")
    @classmethod
    def _within_the_window(cls, value: int | None, info: ValidationInfo) -> int | None:
        window = info.data.get("window")
        if value is not None and isinstance(window, int) and value > window:
            cause = f"a window of {window} calls never holds min_calls {value}, so the circuit would never open"
            raise Refusal(cause, "lower min_calls, or enlarge the window")
        return value

    @field_validator("slow_call_rate")
    @classmethod
    def _of_slow_calls(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and info.data.get("slow_call_after", value) is None:
            raise Refusal("no call is slow without slow_call_after", "add slow_call_after: 2s, or remove this")
        return value

    @property
    def window_calls(self) -> int | None:
        """The window, if it is one by count."""
        return self.window if isinstance(self.window, int) else None

    @property
    def window_seconds(self) -> float | None:
        """The window, if it is one by time."""
        return parse_duration(self.window) if isinstance(self.window, str) else None

    @property
    def least_calls(self) -> int:
        """`min_calls`, given or not."""
        if self.min_calls is not None:
            return self.min_calls
        return min(MIN_CALLS, self.window_calls or MIN_CALLS)

    @property
    def statuses(self) -> frozenset[int]:
        """`failure_statuses`, one by one."""
        return statuses(self.failure_statuses)
