"""Hedging in the configuration: when an answer is late, and how many second calls there may be.

    hedge: {after: 50ms, max_extra: 0.05}

Rule: `after` belongs near the 95th percentile of the service's latency. Lower, and the budget is used up by calls
that were not late; higher, and the tail stays.

What it does not do: choose which requests are hedged: see `middleware/hedge.py`.
"""

from __future__ import annotations

from api_gateway.config.fields import Duration
from api_gateway.config.model import Model
from api_gateway.config.share import Share


class HedgeConfig(Model):
    """Second calls to one service."""

    after: Duration
    """Seconds without an answer, after which a call is late."""
    max_extra: Share = 0.05
    """Second calls are at most this share of the requests to the service."""
