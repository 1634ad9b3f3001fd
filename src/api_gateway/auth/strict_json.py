"""Strict JSON and strict base64url: one text has one meaning, and one meaning has one text.

Rule: a name that stands twice in an object is refused, because two readers may take different ones (RFC 8725 2.6;
RFC 7515 4 allows to). NaN and Infinity, which Python would read, are not JSON. base64url has no padding, no white
space and no bits behind the last byte: else the last character of a signature could be changed, and one token
would have several texts.

Bound: nesting 32 deep. What it does not do: bound the length; who reads knows how long it may be.

Source: RFC 8259, RFC 7515 section 2 and appendix C.
"""

from __future__ import annotations

import json
from binascii import a2b_base64
from typing import NoReturn

DEEPEST = 32
"""Levels of arrays and objects within each other."""

_TO_BASE64 = bytes.maketrans(b"-_", b"+/")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_LAST = {0: _ALPHABET, 2: b"AQgw", 3: b"AEIMQUYcgkosw048"}
"""By the length's remainder: the last characters that leave no bits over."""


def from_base64url(text: bytes) -> bytes:
    """The bytes that `text` stands for.

    Raises:
        ValueError: it is not the one base64url text for anything.
    """
    remainder = len(text) % 4
    if remainder == 1 or text.translate(None, _ALPHABET) or (text and text[-1] not in _LAST[remainder]):
        raise ValueError("not base64url, or not in its canonical form")
    return a2b_base64(text.translate(_TO_BASE64) + b"=="[: -remainder % 4])


def read_object(raw: bytes) -> dict[str, object]:
    """The JSON object that `raw` holds.

    Raises:
        ValueError: it is not JSON, not an object, or ambiguous or too deep.
    """
    try:
        value: object = _DECODER.decode(raw.decode("utf-8"))
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    if raw.count(b"[") + raw.count(b"{") > DEEPEST and _is_deep(value):
        raise ValueError("too deep")
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice in a JSON object")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return any(isinstance(value, dict | list) for value in level)


def _inside(value: object) -> list[object]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
