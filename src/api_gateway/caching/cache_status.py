"""Cache-Status: what the cache did with a request, for whoever debugs it.

    api-gateway; hit; ttl=42                                 from the store, fresh for 42 s more
    api-gateway; hit; ttl=-3                                 likewise, 3 s past its lifetime
    api-gateway; fwd=uri-miss; fwd-status=200; ttl=60; stored     from the service, and kept
    api-gateway; fwd=stale; fwd-status=503; ttl=-3; detail=stale-if-error

Rule: each cache on the way adds its own entry behind the others, the one nearest the client last.

What it does not do: name keys, hosts or identities: the field goes to clients.

Source: RFC 9211.
"""

from __future__ import annotations

from functools import lru_cache

from api_gateway.caching.verdicts import Reason, Serve
from api_gateway.core.headers import Headers

CACHE_STATUS = b"cache-status"


def hit(name: str, ttl: int) -> bytes:
    """The entry for an answer from the store."""
    return f"{name}; hit; ttl={ttl}".encode("latin-1")


@lru_cache(maxsize=256)  # misses in one second have few different ones
def forwarded(
    name: str,
    reason: Reason,
    status: int | None = None,
    ttl: int | None = None,
    stored: bool = False,
    *,
    collapsed: bool = False,
    detail: str = "",
) -> bytes:
    """The entry for a request that went to the service; `status` is the service's, `detail` a token."""
    parts = [name, f"fwd={reason}"]
    if status is not None:
        parts.append(f"fwd-status={status}")
    if ttl is not None:
        parts.append(f"ttl={ttl}")
    if stored:
        parts.append("stored")
    if collapsed:
        parts.append("collapsed")
    if detail:
        parts.append(f"detail={detail}")
    return "; ".join(parts).encode("latin-1")


def labelled(serve: Serve, entry: bytes) -> Serve:
    """`serve` with another entry in place of its own."""
    return serve._replace(headers=Headers.from_pairs([*serve.headers.pairs[:-1], (CACHE_STATUS, entry)]))
