"""Status ranges: several statuses in the configuration, written `500`, `502-504`, or a list of these.

Rule: the ranges stay as they were written, so that a configuration can be written out again; `statuses` are
what they mean.

What it does not do: say which statuses make sense. The key's owner does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from api_gateway.config.problems import Refusal, shown

_RANGE = re.compile(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?", re.ASCII)
_REMEDY = "write a status such as 500, a range such as 502-504, or a list of them"


def status_ranges(least: int) -> Callable[[object], object]:
    """A validator for statuses from `least` to 599."""

    def check(value: object) -> object:
        items = value if isinstance(value, list | tuple) else [value]
        if not items:
            raise Refusal("the list of statuses is empty", _REMEDY)
        return tuple(_range(item, least) for item in items)

    return check


def _range(item: object, least: int) -> str:
    matched = _RANGE.fullmatch(str(item)) if isinstance(item, str | int) else None
    if matched is None or int(matched[1]) < least or (matched[2] is not None and matched[2] < matched[1]):
        raise Refusal(f"{shown(item)} is neither a status nor a range of them", _REMEDY)
    return matched[0]


def statuses(ranges: Iterable[str]) -> frozenset[int]:
    """What checked ranges mean."""
    ends = [(first, last or first) for first, _, last in (item.partition("-") for item in ranges)]
    return frozenset(status for first, last in ends for status in range(int(first), int(last) + 1))
