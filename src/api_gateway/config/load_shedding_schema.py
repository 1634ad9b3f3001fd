"""Load shedding in the configuration: when the gateway itself has too much to do.

    - load_shedding                                       # refuse while the event loop is 50 ms late
    - load_shedding: {max_lag: 100ms, priority: {tiers: {gold: critical}}}
    - load_shedding: {concurrency: {limit: 2000, queue: 200}}

Rule: the lag says whether the gateway keeps up, `concurrency` bounds what it holds at once. The priority stands for
both, unless `concurrency` has its own.

What it does not do: protect services. `concurrency` of a service does.
"""

from __future__ import annotations

from api_gateway.config.concurrency_schema import ConcurrencyConfig
from api_gateway.config.fields import Duration
from api_gateway.config.model import Model
from api_gateway.config.priority_schema import PriorityConfig
from api_gateway.middleware.load_shedding import MAX_LAG

MOST_IN_FLIGHT = 10_000
"""Requests in all: more than one event loop serves, and still bounded."""


class LoadSheddingOptions(Model):
    """When to refuse, and whom first."""

    max_lag: Duration = MAX_LAG
    """How late the event loop may be: requests are refused above it; sheddable ones from half of it, critical ones
    from twice as much."""
    concurrency: ConcurrencyConfig = ConcurrencyConfig(limit=MOST_IN_FLIGHT)
    """How many requests at once, in the whole gateway."""
    priority: PriorityConfig | None = None
    """Who is refused first."""
