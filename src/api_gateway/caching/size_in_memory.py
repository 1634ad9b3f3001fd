"""Size in memory: how many bytes an answer takes with the objects around it, as a bounded store must count them.

Rule: the text, and for each part what its objects take in CPython, measured once and written down here. Right to a
fifth, which is what a bound needs; to ask the interpreter for every object would take longer than all the rest.

What it does not do: know what answers share. The name of a field is counted for each that has it.
"""

from __future__ import annotations

from api_gateway.caching.stored_response import StoredResponse

PER_ENTRY = 340
"""Bytes that an entry takes in the tables of a store."""

_PER_ANSWER = 512  # of the objects around one
_PER_FIELD = 130  # bytes of a pair of name and value, besides their text
_PER_SELECTING = 200
_PER_TAG = 420


def size_of(response: StoredResponse) -> int:
    """Bytes of one answer."""
    pairs = response.headers.pairs
    size = len(response.body) + _PER_ANSWER + len(pairs) * _PER_FIELD
    for field, value in pairs:  # a loop takes half of what `sum` and `map` take for so few
        size += len(field) + len(value)
    for name, members in response.selecting:
        size += _PER_SELECTING + len(name) + sum(map(len, members))
    for tag in response.tags:
        size += _PER_TAG + len(tag)
    return size
