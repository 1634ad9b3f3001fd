"""Entity tag: which version of a body a client has, after the gateway has changed that body.

    the service says     ETag: "v7"                      the client gets   ETag: W/"v7-1a2b3c4d"
    the client asks      If-None-Match: W/"v7-1a2b3c4d"  the service gets  If-None-Match: W/"v7"

Rule: the service's tag names a body that nobody sees, so it may not be passed on as it is. The new one is weak: the
time may be in the body, and two bodies that mean the same are one version. Its end is the transform's own, so another
expression makes other versions; a tag with another end is not translated, and matches nothing at the service.

A weak tag never matches `If-Match` and `If-Range` (RFC 9110 13.1.1, 13.1.5). That is right: what a client has is not
what the service would compare.

What it does not do: know tags from before there was a transform; a service may answer those with 304.

Source: RFC 9110 sections 8.8.1, 8.8.3 and 13.1.2.
"""

from __future__ import annotations

import re

from api_gateway.core.headers import HeaderPairs, Headers

_TAG = re.compile(rb'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_IF_NONE_MATCH = b"if-none-match"


def transformed_tag(value: bytes, name: bytes) -> bytes | None:
    """The tag of what the transform called `name` makes of the body with tag `value`; None if that is none."""
    match = _TAG.fullmatch(value)
    return None if match is None else b'W/"%b-%b"' % (match[1], name)


def for_service(headers: Headers, name: bytes) -> Headers:
    """The headers with the tags that the transform `name` has made as the service knows them."""
    end = b'-%b"' % name
    if not any(field == _IF_NONE_MATCH and end in value for field, value in headers.pairs):
        return headers
    pairs: HeaderPairs = [
        (field, _restored(value, end)) if field == _IF_NONE_MATCH else (field, value) for field, value in headers.pairs
    ]
    return Headers.from_pairs(pairs)


def _restored(value: bytes, end: bytes) -> bytes:
    def one(match: re.Match[bytes]) -> bytes:
        tag = match[0]
        return b'W/"%b"' % match[1][: 1 - len(end)] if tag.endswith(end) else tag

    return _TAG.sub(one, value)
