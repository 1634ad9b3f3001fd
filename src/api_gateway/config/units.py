"""Units: `250ms` is a duration, `10MiB` a size.

Rule: a number, then a unit, nothing between or around them. A plain number is seconds, or bytes.
Arithmetic is decimal, so `100ms` is exactly the float nearest to a tenth of a second.

    durations   ms s m h             250ms  1.5s  5m  1h
    sizes       B KB MB GB (1000)    32KB
                KiB MiB GiB (1024)   10KiB  1.5MiB

Bound: a duration is at most 8760h, a year: event loops take no longer ones.

What it does not do: add up (`1h30m`), or read rates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

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
_QUANTITY = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)([A-Za-z]*)", re.ASCII)

MAX_DURATION = 8760 * 3600.0
"""Seconds in the longest duration."""

DURATION_REMEDY = "write a duration such as 250ms, 3s, 5m or 1h"
SIZE_REMEDY = "write a size such as 512, 32KB, 10KiB or 1MiB"


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
