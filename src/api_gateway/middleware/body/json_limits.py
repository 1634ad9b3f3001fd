"""JSON limits: a document that every reader reads alike, and that costs no reader too much.

Rule: depth and count are taken from the bytes, before any parser recurses or allocates. Strings are cut out, then
brackets and commas are counted by searches that run in C; no step of it recurses or backtracks. Where the bytes
are not JSON the numbers may be off behind the first error, which is as far as a parser gets.

Refused besides bad syntax, since two readers may read two documents, or one of them none (RFC 7493): a name twice
in one object; bytes that are not UTF-8; a byte order mark; half a surrogate pair; NaN and Infinity; numbers over
the range of a double, or longer than `LONGEST_NUMBER`, for reading digits takes some readers quadratic time.

Cost: linear; about 40 us for 1 KiB, two thirds of it the parser of the standard library with a look at each
object's names. Bound: a few times the body while it is looked at; then what the parser makes of `items` values.

What it does not do: know what the document is for (`validation/json_schema.py`).

Source: RFC 8259; RFC 7493 (I-JSON) section 2.
"""

from __future__ import annotations

import json
import math
import re
from array import array
from dataclasses import dataclass
from itertools import accumulate
from typing import NoReturn

LONGEST_NUMBER = 100
"""Characters in one number."""
MOST_DEPTH = 200
"""The deepest that may be allowed: the parser recurses, on a stack that is not only its own."""

_TOO_LONG = b"0" * (LONGEST_NUMBER + 1)
_NUMBERS = bytes(ord("0") if code in b"0123456789+-.eE" else code for code in range(256))
_STEPS = bytes(1 if code in b"[{" else 0xFF if code in b"]}" else 0 for code in range(256))
_NOT_BRACKETS = bytes(code for code in range(256) if code not in b"[]{}")
_WINDOW = 16 * 1024
"""Bytes that are cut at their quotes at once: each piece takes far more room than it holds."""
_SPACE = b" \t\r\n"
_HIGH, _LOW = rb"\\u[dD][89abAB]..", rb"\\u[dD][c-fC-F].."
_LONE_SURROGATE = re.compile(rb"%b(?!%b)|(?<!%b)%b" % (_HIGH, _LOW, _HIGH, _LOW), re.DOTALL)


class NotJson(ValueError):
    """The bytes are no JSON document, or one that readers read differently; says why."""


class OverJsonLimit(ValueError):
    """The document is deeper, or has more in it, than is allowed; says which."""


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """How much structure a document may have."""

    depth: int = 32
    """Arrays and objects inside each other; a plain value has none."""
    items: int = 10_000
    """Members and elements in the whole document."""

    def __post_init__(self) -> None:
        """Raises ValueError where a parser could not go as deep."""
        if not 0 <= self.depth <= MOST_DEPTH or self.items < 0:
            raise ValueError(f"depth must be from 0 to {MOST_DEPTH}, and items at least 0")


def read_json(body: bytes, limits: JsonLimits) -> object:
    """The document in `body`.

    Raises:
        NotJson: it is none, or not the same to every reader.
        OverJsonLimit: it is over one of `limits`.
    """
    escaped = b"\\" in body
    # An escaped backslash goes first, so that every backslash left begins the escape behind it.
    plain = body.replace(rb"\\", b"__") if escaped else body
    _check_structure(plain.replace(rb"\"", b"__") if escaped else plain, limits)
    if body.startswith(b"\xef\xbb\xbf"):
        raise NotJson("begins with a byte order mark")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise NotJson(f"is not UTF-8 at byte {error.start + 1}") from None
    try:
        document: object = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise NotJson(f"is not JSON at line {error.lineno}, column {error.colno}") from None
    if escaped and _LONE_SURROGATE.search(plain):
        raise NotJson("has half a surrogate pair in a string")
    return document


def _check_structure(plain: bytes, limits: JsonLimits) -> None:
    """`plain` is a document without escaped quotes."""
    skeleton = _outside_strings(plain).translate(None, _SPACE)
    opened = skeleton.count(b"[") + skeleton.count(b"{")
    items = skeleton.count(b",") + opened - skeleton.count(b"[]") - skeleton.count(b"{}")
    if items > limits.items:
        raise OverJsonLimit(f"has more than {limits.items} members and elements")
    if opened > limits.depth:
        steps = array("b", skeleton.translate(_STEPS, _NOT_BRACKETS))
        if max(accumulate(steps)) > limits.depth:
            raise OverJsonLimit(f"is more than {limits.depth} levels deep")
    if _TOO_LONG in skeleton.translate(_NUMBERS):
        raise NotJson(f"has a number of more than {LONGEST_NUMBER} characters")


def _outside_strings(plain: bytes) -> bytes:
    """What is not in strings, with one quote in the place of each of them."""
    kept: list[bytes] = []
    inside = 0
    for start in range(0, len(plain), _WINDOW):
        pieces = plain[start : start + _WINDOW].split(b'"')
        if inside:
            kept.append(b'"')
        kept.append(b'"'.join(pieces[inside::2]))
        inside = (inside + len(pieces) - 1) % 2
    return b"".join(kept)


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotJson("has an object with the same name twice")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise NotJson("has a number that is out of range")
    return number


def _no_constant(_: str) -> NoReturn:
    raise NotJson("has NaN or Infinity, which are not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_float=_finite, parse_constant=_no_constant)
