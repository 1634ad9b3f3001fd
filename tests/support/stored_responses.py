"""Stored responses, one for each thing that can be in one."""

from __future__ import annotations

from dataclasses import fields

from hypothesis import strategies as st

from api_gateway.caching.stored_response import SelectingFields, StoredResponse
from api_gateway.core.headers import Headers

_names = st.from_regex(rb"[!#$%&'*+\-.^_`|~0-9a-z]{1,20}", fullmatch=True)
_values = st.binary(max_size=40).map(lambda value: bytes(byte for byte in value if byte >= 32 and byte != 127))
_times = st.floats(-1e12, 1e12)
_members = st.lists(st.text(max_size=20), max_size=3).map(tuple)

FIELDS: dict[str, st.SearchStrategy[object]] = {
    "status": st.integers(100, 999),
    "headers": st.lists(st.tuples(_names, _values), max_size=8).map(Headers),
    "body": st.binary(max_size=2000),
    "asked_at": _times,
    "answered_at": _times,
    "selecting": st.lists(st.tuples(st.text(max_size=20), _members), max_size=3).map(tuple),
    "tags": st.lists(st.text(max_size=20), max_size=3).map(tuple),
}
"""Any value, by field."""


def stored_responses() -> st.SearchStrategy[StoredResponse]:
    """Any stored response."""
    return st.builds(StoredResponse, **FIELDS)


def contents(response: StoredResponse) -> dict[str, object]:
    """All that is in it and not derived from the rest, to compare: two that look alike are not equal."""
    return {field.name: getattr(response, field.name) for field in fields(response) if field.init}


def stored(
    body: bytes = b"", selecting: SelectingFields = (), tags: tuple[str, ...] = (), answered_at: float = 2.0
) -> StoredResponse:
    """A plain one."""
    return StoredResponse(200, Headers({"content-type": "text/plain"}), body, 1.0, answered_at, selecting, tags)
