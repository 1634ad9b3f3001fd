"""Cache policy: what an operator may choose about a cache; everything else is the standard's.

Rule: the defaults are what RFC 9111 asks of a shared cache, and nothing is shared between callers that somebody
could mean for one of them. Each option that relaxes this says what the operator vouches for by setting it.

What it does not do: hold sizes, stores or timeouts. It is read by pure functions only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Identified: TypeAlias = Literal["bypass", "separate", "share"]
"""What becomes of a request whose caller is known: not cached; cached for this caller alone; cached for all."""


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """Options of one cache."""

    name: str = "api-gateway"
    """What the cache calls itself in `Cache-Status`."""
    namespace: str = ""
    """Part of every key: keeps caches apart that share a store."""
    chosen_by: tuple[str, ...] = ()
    """Request headers whose values are part of every key, since they choose the route; in lower case."""
    identified: Identified = "bypass"
    """`separate` is `per: identity`. With `share` the operator vouches that answers do not depend on the caller."""
    store_set_cookie: bool = False
    """Keep answers with `Set-Cookie`, cookies and all. The operator vouches that they are the same for everyone."""
    obey_requests: bool = True
    """Follow `Cache-Control` and `Pragma` of requests; without, only `no-store` and `only-if-cached` are."""
    sort_query: bool = False
    """Take queries whose parameters differ in their order only as the same."""
    heuristic_fraction: float = 0.1
    """Of the time since the last change, for how long an answer without a lifetime is fresh; 0 for not at all."""
    heuristic_limit: float = 86_400.0
    """Seconds for which such an answer is fresh at most."""
    stale_while_revalidate: float = 0.0
    """Seconds past its lifetime for which an answer that does not say so itself is used while it is refreshed."""
    stale_if_error: float = 0.0
    """Seconds past its lifetime for which an answer that does not say so itself is used when the service fails."""
    keep: float = 3_600.0
    """Seconds past its lifetime for which an answer is kept to be validated, or for whoever takes stale ones."""
    early_refresh: float = 1.0
    """Beta of `early_refresh.py`; 0 for never before the end of the lifetime."""
