"""Forwarding: what a proxy must change about a message, and nothing else.

Rule: towards the service, `Host` names the service (or what the route says) and `Via` gains this
gateway; towards the client, hop-by-hop headers go and `Via` is added too. Everything else passes
as the bytes that came. The client's own hop-by-hop headers are gone already
(`core/canonical_request.py`).

Source: RFC 9110 sections 7.2 (Host), 7.6.1 (Connection), 7.6.3 (Via).
"""

from __future__ import annotations

from api_gateway.core.canonical_request import HOP_BY_HOP, without_hop_by_hop
from api_gateway.core.headers import HeaderPairs, Headers
from api_gateway.core.request import Request

VIA = (b"via", b"1.1 api-gateway")
"""The gateway's entry in `Via`; a pseudonym, so that no internal name leaks."""

REWRITTEN = frozenset({b"host", b"content-length", b"transfer-encoding"})
"""Request fields that are not copied but written anew."""


def upstream_headers(request: Request, host: bytes) -> HeaderPairs:
    """The header fields for the service: `Host` first, framing left to the transport."""
    return [(b"host", host), *[pair for pair in request.headers.pairs if pair[0] not in REWRITTEN], VIA]


def downstream_headers(pairs: HeaderPairs) -> Headers:
    """The header fields for the client, from those of the service; takes over the list."""
    for pair in pairs:
        if pair[0] in HOP_BY_HOP:
            pairs = without_hop_by_hop(pairs)
            break
    pairs.append(VIA)
    return Headers.from_pairs(pairs)
