"""Invalidation: what a successful change makes worthless.

Rule: after a non-error answer (2xx, 3xx) to a method that is not safe, everything kept for the target URI is
forgotten, and for the URIs in `Location` and `Content-Location` if they are of the same origin: scheme, host, port.
Methods nobody knows count as unsafe. Another origin's URIs are left alone, or anybody could empty anybody's cache.

What it does not do: find out what else a change touches; tags and the admin API are for that. Nor can it reach other
caches on the way (RFC 9111 4.4).

Source: RFC 9111 section 4.4; RFC 9110 section 9.2.1 (safe methods).
"""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from api_gateway.caching.cache_key import tag_of, uri_of
from api_gateway.caching.cache_policy import CachePolicy
from api_gateway.caching.cache_request import CacheRequest
from api_gateway.caching.verdicts import Invalidate
from api_gateway.core.canonical_path import canonical_path
from api_gateway.core.errors import BadRequest
from api_gateway.core.headers import Headers

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def invalidated(asked: CacheRequest, status: int, headers: Headers, policy: CachePolicy) -> Invalidate | None:
    """What the answer to `asked` invalidates, or None."""
    if asked.request.method in SAFE_METHODS or not 200 <= status < 400:
        return None
    uris = {asked.uri: None, asked.key: None}
    for name in ("location", "content-location"):
        reference = headers.get(name)
        if reference is not None:
            uri = _same_origin_uri(asked, reference, policy)
            if uri is not None:
                uris[uri] = None
    return Invalidate(tuple(uris), tuple(tag_of(uri) for uri in uris if " " not in uri))


def _same_origin_uri(asked: CacheRequest, reference: str, policy: CachePolicy) -> str | None:
    try:
        target = urlsplit(asked.uri)
        parts = urlsplit(urljoin(asked.uri, reference))
        uri = uri_of(parts.scheme, parts.netloc, canonical_path(parts.path or "/"), parts.query, policy)
    except (ValueError, BadRequest):
        return None
    return uri if uri.startswith(f"{target.scheme}://{target.netloc}/") else None
