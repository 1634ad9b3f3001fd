"""Aggregate JSON: what services answer, read; what the client gets, written.

Rule: what is read can be written again. So `NaN` and `1e999`, which Python would read and JSON has not, are refused.

What it does not do: keep the spelling. Numbers become Python's, so `1.10` is written as `1.1`, and of a name that
stands twice in an object the last one counts.

Source: RFC 8259.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import NoReturn


def read_json(body: bytes) -> object:
    """The value that `body` holds.

    Raises:
        ValueError: it is not JSON, or cannot be held.
    """
    try:
        value: object = _DECODER.decode(body.decode("utf-8-sig"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def write_json(value: object) -> bytes:
    """`value` as JSON.

    Raises:
        ValueError: it cannot be written.
    """
    try:
        return _written(value, ascii_only=False).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can stand for
        return _written(value, ascii_only=True).encode()


def _written(value: object, *, ascii_only: bool) -> str:
    try:
        return json.dumps(value, ensure_ascii=ascii_only, allow_nan=False, separators=(",", ":"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _number(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError("a number is too large")
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_float=_number, parse_constant=_no_constant)
