"""Validation: does the client's copy still hold, and does ours?

| question                               | answered by                                                        |
|----------------------------------------|--------------------------------------------------------------------|
| the client's `If-None-Match`           | weak comparison with our entity tag; `*` matches; if it is there,  |
|                                        | `If-Modified-Since` does not count (RFC 9110 13.1.3)               |
| the client's `If-Modified-Since`       | not before our Last-Modified, else Date (RFC 9111 4.3.2)           |
| ours, at the service                   | the client's request with our validators in place of its own       |
| is this 304 about our copy?            | its entity tag is ours, or it has none (RFC 9111 4.3.4)            |
| is this HEAD's 200?                    | entity tag, date and length, as far as it has them (4.3.5)         |

Rule: a 304 replaces every field it has (3.2), but for those that describe the bytes we keep: `Content-Length`,
`Content-Encoding`, `Content-Range`. `Age` goes with the old answer.

On purpose: entity tags of a 304 are compared weakly, where RFC 9111 4.3.4 wants a strong one to match strongly. nginx
sends `W/"a"` with the compressed answer and `"a"` with its 304; a strict cache would never freshen it. The stored one
keeps its weak tag.

What it does not do: judge `If-Match` and `If-Unmodified-Since`; these are the origin's (`cache_request.py`).

Source: RFC 9110 sections 8.8.3.2, 13.1.2, 13.1.3 and 15.4.5; RFC 9111 sections 3.2, 4.3.1 to 4.3.5.
"""

from __future__ import annotations

import re

from api_gateway.caching.freshness import Facts
from api_gateway.caching.http_dates import parse_http_date
from api_gateway.caching.stored_response import StoredResponse
from api_gateway.core.headers import HeaderPairs, Headers
from api_gateway.core.request import Request

_TAG = re.compile(r'(?:W/)?("[^"]*")')
_CONDITIONS = frozenset({b"if-none-match", b"if-modified-since"})
_OF_A_PART = frozenset({b"range", b"if-range"})
_ABOUT_THE_BYTES = frozenset({b"content-encoding", b"content-length", b"content-range"})
_NOT_IN_304 = _ABOUT_THE_BYTES | {b"content-language", b"content-md5", b"content-type"}


def client_is_current(headers: Headers, facts: Facts) -> bool:
    """Whether the client's preconditions say that it has what is stored: 304."""
    wanted = headers.get_all("if-none-match")
    if wanted:
        return _matches(", ".join(wanted), facts.etag.decode("latin-1"))
    since = headers.get_all("if-modified-since")
    limit = parse_http_date(since[0], facts.date) if len(since) == 1 else None
    if limit is None:
        return False
    changed = parse_http_date(facts.last_modified.decode("latin-1"), facts.date) if facts.last_modified else None
    return (facts.date if changed is None else changed) <= limit


def not_modified_fields(pairs: HeaderPairs) -> HeaderPairs:
    """The fields of a 304 for a stored answer: all but what describes a body (RFC 9110 15.4.5)."""
    return [pair for pair in pairs if pair[0] not in _NOT_IN_304]


def unconditional(request: Request) -> Request:
    """`request` as a GET of the whole, whatever the client has."""
    pairs = [pair for pair in request.headers.pairs if pair[0] not in _CONDITIONS and pair[0] not in _OF_A_PART]
    return Request.from_parts("GET", request.path, request.query, Headers.from_pairs(pairs), request.body)


def validating(request: Request, facts: Facts) -> Request:
    """`request` with the validators of a stored answer in place of the client's."""
    pairs = [pair for pair in request.headers.pairs if pair[0] not in _CONDITIONS]
    if facts.etag:
        pairs.append((b"if-none-match", facts.etag))
    if facts.last_modified:
        pairs.append((b"if-modified-since", facts.last_modified))
    return request.with_headers(Headers.from_pairs(pairs))


def is_about(stored: StoredResponse, headers: Headers) -> bool:
    """Whether a 304 with `headers` says that `stored` holds."""
    etag = headers.get("etag")
    return etag is None or not stored.facts.etag or _opaque(etag) == _opaque(stored.facts.etag.decode("latin-1"))


def head_agrees(stored: StoredResponse, headers: Headers) -> bool:
    """Whether the 200 to a HEAD describes `stored`."""
    etag, changed, length = headers.get("etag"), headers.get("last-modified"), headers.get("content-length")
    return (
        (etag is None or etag.encode("latin-1") == stored.facts.etag)
        and (changed is None or changed.encode("latin-1") == stored.facts.last_modified)
        and (length is None or length == (stored.headers.get("content-length") or str(len(stored.body))))
    )


def updated_fields(stored: StoredResponse, newer: Headers) -> Headers:
    """The fields of `stored`, replaced by those of `newer` where that has them."""
    kept = set(_ABOUT_THE_BYTES)
    if stored.facts.etag.startswith(b"W/"):
        kept.add(b"etag")
    update = [pair for pair in newer.pairs if pair[0] not in kept]
    replaced = {pair[0] for pair in update}
    return Headers.from_pairs([pair for pair in stored.facts.pairs if pair[0] not in replaced] + update)


def _matches(wanted: str, etag: str) -> bool:
    if wanted == "*":
        return True
    if not etag:
        return False
    return wanted == etag or _opaque(etag) in _TAG.findall(wanted)


def _opaque(etag: str) -> str:
    """An entity tag without its weakness; a malformed one as it is, which matches only itself."""
    return etag.removeprefix("W/")
