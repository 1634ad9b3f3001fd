"""Byte range: a part of a stored whole, for a client that asks for one.

| Range                                      | answer                                            |
|--------------------------------------------|---------------------------------------------------|
| `bytes=2-5`, `bytes=2-`, `bytes=-3`        | that part, 206                                    |
| a part that begins behind the end          | 416, with the length                              |
| several parts, another unit, malformed     | the whole, 200: a server may ignore Range         |
| `If-Range` that names another version      | the whole, 200                                    |

Rule: `If-Range` needs a strong match: the same strong entity tag, or the same date where that is strong, which means
that the answer was made a second or more after it.

What it does not do: keep parts. A 206 of a service passes through (`storability.py`).

Source: RFC 9110 sections 13.1.5, 14.1.2, 14.2, 15.3.7 and 15.5.17.
"""

from __future__ import annotations

import re

from api_gateway.caching.freshness import Facts
from api_gateway.caching.http_dates import parse_http_date
from api_gateway.core.headers import Headers

_RANGE = re.compile(r"bytes=[ \t]*(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))[ \t]*", re.ASCII | re.IGNORECASE)


def wanted_part(headers: Headers, facts: Facts, size: int) -> tuple[int, int] | None:
    """First byte and the one behind the last of the part that a request wants; None for the whole.

    A part with nothing in it, (0, 0), is one that cannot be had: 416.
    """
    lines = headers.get_all("range")
    match = _RANGE.fullmatch(lines[0]) if len(lines) == 1 else None
    if match is None or not _same_version(headers, facts):
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        start, end = max(0, size - int(suffix)), size
    else:
        start, end = int(first), size if not last else min(size, int(last) + 1)
        if last and int(last) < start:
            return None
    return (start, end) if start < end else (0, 0)


def _same_version(headers: Headers, facts: Facts) -> bool:
    condition = headers.get("if-range")
    if condition is None:
        return True
    if condition.endswith('"'):
        return not condition.startswith("W/") and condition.encode("latin-1") == facts.etag
    changed = parse_http_date(condition, facts.date)
    return changed is not None and condition.encode("latin-1") == facts.last_modified and facts.date - changed >= 1
