"""Rate policy: one limit, to whom it applies, and what a request counts for.

Rule: whose quota is spent is a function of the request (`keys.py`); how much there is may depend on the
caller's tier, which authentication sets.

What it does not do: decide (`rate_limit_middleware.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from api_gateway.middleware.rate_limit.keys import KeyFunction
from api_gateway.rate_limiting.limit_store import Limit


@dataclass(frozen=True, slots=True)
class RatePolicy:
    """One limit, and to whom it applies."""

    limit: Limit
    key: KeyFunction
    cost: int = 1
    """What one request counts for."""
    tiers: Mapping[str, Limit] = field(default_factory=dict)
    """The limits of callers whose tier is named here; all others have `limit`."""
    keyed_by: str = ""
    """The key in the configuration's words, for whoever explains."""

    @property
    def limits(self) -> tuple[Limit, ...]:
        """All of them."""
        return self.limit, *self.tiers.values()
