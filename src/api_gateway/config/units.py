"""Units: `250ms` is a duration, `10MiB` a size, `100/s` a rate.

Rule: a number, then a unit, nothing between or around them. A plain number is seconds, or bytes.
Arithmetic is decimal, so `100ms` is exactly the float nearest to a tenth of a second.

    durations   ms s m h             250ms  1.5s  5m  1h
    sizes       B KB MB GB (1000)    32KB
                KiB MiB GiB (1024)   10KiB  1.5MiB
    rates       N/unit, N/10unit     100/s  5/min  1000/h  10/10s  50000/d

Bound: a duration is at most 8760h, a year: event loops take no longer ones.

What it does not do: add up (`1h30m`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from api_gateway.config.problems import Refusal, shown

_DURATIONS = {"": Decimal(1), "ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600)}
_SIZES = {
    "": Decimal(1),
    "B": Decimal(1),
    "KB": Decimal(1000),
    "MB": Decimal(1000**2),
    "GB": Decimal(1000**3),
    "KiB": Decimal(1024),
    "MiB": Decimal(1024**2),
    "GiB": Decimal(1024**3),
}
_PERIODS = {**_DURATIONS, "min": Decimal(60), "d": Decimal(86400)}
_RATE = re.compile(r"([0-9]{1,9})/([0-9]{1,9}(?:\.[0-9]{1,9})?)?([A-Za-z]+)", re.ASCII)
_QUANTITY = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)([A-Za-z]*)", re.ASCII)

MAX_DURATION = 8760 * 3600.0
"""Seconds in the longest duration."""

DURATION_REMEDY = "write a duration such as 250ms, 3s, 5m or 1h"
SIZE_REMEDY = "write a size such as 512, 32KB, 10KiB or 1MiB"
RATE_REMEDY = "write a rate such as 100/s, 5/min, 1000/h or 10/10s"


class Rate(NamedTuple):
    """So many in so much time."""

    amount: int
    period: float
    """Seconds."""


def parse_duration(value: object) -> float:
    """Seconds; raises Refusal where `value` is not a duration."""
    seconds = float(_quantity(value, _DURATIONS, "duration", DURATION_REMEDY))
    if seconds > MAX_DURATION:
        raise Refusal(f"{shown(value)} is too long", "write at most 8760h")
    return seconds


def parse_size(value: object) -> int:
    """Bytes; raises Refusal where `value` is not a size, or not a whole number of bytes."""
    size = _quantity(value, _SIZES, "size", SIZE_REMEDY)
    if size != size.to_integral_value():
        raise Refusal(f"{shown(value)} is not a whole number of bytes", SIZE_REMEDY)
    return int(size)


def parse_rate(value: object) -> Rate:
    """How many in how many seconds; raises Refusal where `value` is not a rate."""
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Refusal(f"expected a rate, not {shown(value)}", RATE_REMEDY)
    count, number, unit = match.groups()
    if unit not in _PERIODS:
        known = ", ".join(filter(None, _PERIODS))
        raise Refusal(f"{shown(value)} has the unit {unit!r}, which is none of {known}", RATE_REMEDY)
    period = float(Decimal(number or 1) * _PERIODS[unit])
    if int(count) == 0 or period == 0:
        raise Refusal(f"the rate {shown(value)} has a zero", RATE_REMEDY)
    if period > MAX_DURATION:
        raise Refusal(f"{shown(value)} has too long a period", "write at most 8760h")
    return Rate(int(count), period)


def format_duration(seconds: float) -> str:
    """The shortest text that `parse_duration` reads as `seconds`, to the nanosecond."""
    exact = Decimal(repr(seconds))
    for unit in ("h", "m"):
        if exact and exact % _DURATIONS[unit] == 0:
            return f"{exact / _DURATIONS[unit]:f}".removesuffix(".0") + unit
    if exact < 1 and exact:
        return f"{(exact / _DURATIONS['ms']).normalize():f}ms"
    return f"{exact.normalize():f}s"


def format_size(count: int) -> str:
    """The text with the greatest unit that `parse_size` reads as `count` bytes."""
    for unit in ("GiB", "MiB", "KiB", "GB", "MB", "KB"):
        if count and count % int(_SIZES[unit]) == 0:
            return f"{count // int(_SIZES[unit])}{unit}"
    return f"{count}B"


def _quantity(value: object, units: Mapping[str, Decimal], kind: str, remedy: str) -> Decimal:
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = Decimal(repr(value))
        if number.is_finite() and number >= 0:
            return number
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Refusal(f"expected a {kind}, not {shown(value)}", remedy)
    if match[2] not in units:
        known = ", ".join(filter(None, units))
        raise Refusal(f"{shown(value)} has the unit {match[2]!r}, which is none of {known}", remedy)
    return Decimal(match[1]) * units[match[2]]
