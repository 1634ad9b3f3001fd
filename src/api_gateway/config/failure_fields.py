"""Failures in the configuration: what `on:` may hold in `retry` and `fallback`.

    on: [connect_error, reset, 502-504]
    on: 503

Rule: names of `middleware/failures.py`, statuses, and ranges of these, each range being the statuses in it.

YAML 1.1 reads a bare `on` as true. The loader of this package does not (`load.py`); dictionaries that somebody else
has loaded may have that key, and are told so, instead of losing it.

What it does not do: decide what a failure is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from api_gateway.config.fields import text
from api_gateway.config.problems import Refusal, did_you_mean, shown

_STATUSES = re.compile(r"([0-9]{3})(?:-([0-9]{3}))?", re.ASCII)


def failures(names: Collection[str], statuses: Collection[int], why: str) -> Callable[[object], object]:
    """A validator for a list of `names` and `statuses`; `why` tells what is wrong with another status."""

    def one(value: object) -> list[str | int]:
        match = _STATUSES.fullmatch(str(value)) if isinstance(value, str | int) else None
        if match is None:
            if isinstance(value, int):
                raise Refusal(f"{shown(value)} is neither a failure nor a status", "write statuses such as 503")
            name = text(value)
            if name not in names:
                raise Refusal(f"unknown failure {name!r}", f"{did_you_mean(name, names, 'there are')}, and statuses")
            return [name]
        first, last = int(match[1]), int(match[2] or match[1])
        found = [*range(first, last + 1)]
        if not found or not {first, last} <= {*statuses}:
            listed = f"from {min(statuses)} to {max(statuses)}"
            raise Refusal(f"{match[0]} cannot be in this list: {why}", f"write statuses {listed}, or 502-504")
        return [status for status in found if status in statuses]

    def check(value: object) -> object:
        if isinstance(value, str | int):
            value = [value]
        if not isinstance(value, list | tuple) or not value:
            raise Refusal("expected a failure, or several", "write a list such as [connect_error, 503]")
        return tuple(dict.fromkeys(failure for item in value for failure in one(item)))

    return check


def refuse_yaml_true(data: object) -> object:
    """Refuse a mapping in which `on` has become true."""
    if isinstance(data, dict) and any(key is True for key in data):
        raise Refusal("a YAML 1.1 loader has read the key 'on' as true", "put it in quotes there: 'on'")
    return data
