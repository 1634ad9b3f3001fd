"""Request target: from the four forms of HTTP/1.1 to the one that the gateway handles.

| form | example | here |
|---|---|---|
| origin | `/users?id=1` | as it is |
| absolute | `http://api.example/users` | its path; its authority overrides `Host` |
| authority | `api.example:443`, with CONNECT | 405: this is no tunnel |
| asterisk | `*`, with OPTIONS | 400: it asks about no resource of ours |

A fragment, user information, a space or a non-ASCII byte is a 400 in any form.

What it does not do: normalise the path (`core/canonical_path.py`) or check that the authority is a
valid `Host` (`core/canonical_request.py`).

Source: RFC 9112 section 3.2.
"""

from __future__ import annotations

import re

from api_gateway.core.canonical_request import FORWARDABLE_METHODS
from api_gateway.core.errors import BadRequest, MethodNotAllowed
from api_gateway.core.headers import HeaderPairs

ORIGIN_FORM = re.compile(rb"/[\x21\x22\x24-\x7e]*")
"""A path with an optional query, nothing else."""

_ABSOLUTE_FORM = re.compile(rb"https?://([^/?#@]+)([/?][\x21\x22\x24-\x7e]*)?", re.IGNORECASE)


def to_origin_form(method: bytes, target: bytes, headers: HeaderPairs) -> bytes:
    """The origin form of a target that is not in it; sets `Host` in `headers` to its authority.

    A missing or doubled `Host` is left for the check that refuses it.

    Raises:
        MethodNotAllowed: CONNECT.
        BadRequest: the target is neither a path nor an http URL.
    """
    if method == b"CONNECT":
        raise MethodNotAllowed(list(FORWARDABLE_METHODS))
    absolute = _ABSOLUTE_FORM.fullmatch(target)
    if absolute is None:
        raise BadRequest("The request target is neither a path nor an http URL, or holds a character it may not.")
    authority, path = absolute.group(1), absolute.group(2) or b"/"
    hosts = [index for index, (name, _) in enumerate(headers) if name == b"host"]
    if len(hosts) == 1:
        headers[hosts[0]] = (b"host", authority)
    return path if path.startswith(b"/") else b"/" + path
