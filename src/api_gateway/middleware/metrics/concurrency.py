"""Concurrency metrics: how full the limits are, and whom they refused.

| metric                                   | labels                  | shows                             |
|------------------------------------------|-------------------------|-----------------------------------|
| api_gateway_concurrency_limit            | name                    | how many may be in flight now     |
| api_gateway_concurrency_in_flight        | name                    | how many are                      |
| api_gateway_concurrency_queued           | name                    | how many wait                     |
| api_gateway_concurrency_refusals_total   | name, priority, reason  | requests refused                  |

Rule: nothing is counted here; the numbers are read where they are when somebody asks. `name` is the service's, or
`load_shedding`. The reasons: `full`, `displaced`, `hopeless`, `late` (`bulkhead.py`) and `lag` (`load_shedding.py`).
Bulkheads of one name, such as that of a middleware that stands on several routes, are one in the metrics.

Bound: names come from the configuration, three classes, five reasons.

What it does not do: count what was admitted; `api_gateway_requests_total` does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api_gateway.middleware.bulkhead import BulkheadMiddleware, Reason
from api_gateway.middleware.load_shedding import LoadSheddingMiddleware
from api_gateway.resilience.priority import Priority


class ConcurrencyMetrics(Collector):
    """Shows the limits of one gateway; register it where they shall be read."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._bulkheads: list[BulkheadMiddleware] = []
        self._refusals: list[tuple[str, Counter[tuple[Priority, Reason]]]] = []

    def watch(self, limit: BulkheadMiddleware | LoadSheddingMiddleware) -> None:
        """Show this one, too, under its bulkhead's name."""
        bulkhead = limit if isinstance(limit, BulkheadMiddleware) else limit.bulkhead
        self._bulkheads.append(bulkhead)
        self._refusals.append((bulkhead.name, bulkhead.refusals))
        if isinstance(limit, LoadSheddingMiddleware):
            self._refusals.append((bulkhead.name, limit.refusals))

    def describe(self) -> Iterator[Metric]:
        """The names, so that a registry refuses a second set."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand."""
        for name, about, read in (
            ("limit", "Requests that may be in flight.", _limit),
            ("in_flight", "Requests in flight.", _in_flight),
            ("queued", "Requests that wait for a place.", _queued),
        ):
            gauge = GaugeMetricFamily(f"api_gateway_concurrency_{name}", about, labels=["name"])
            totals: Counter[str] = Counter()
            for bulkhead in self._bulkheads:
                totals[bulkhead.name] += read(bulkhead)
            for label, value in totals.items():
                gauge.add_metric([label], value)
            yield gauge
        refusals = CounterMetricFamily(
            "api_gateway_concurrency_refusals",
            "Requests refused by a limit on what is in flight.",
            labels=["name", "priority", "reason"],
        )
        counts: Counter[tuple[str, Priority, Reason]] = Counter()
        for owner, by_reason in self._refusals:
            for (priority, reason), count in by_reason.items():
                counts[owner, priority, reason] += count
        for (owner, priority, reason), count in counts.items():
            refusals.add_metric([owner, priority.label, reason], count)
        yield refusals


def _limit(bulkhead: BulkheadMiddleware) -> int:
    return bulkhead.limit


def _in_flight(bulkhead: BulkheadMiddleware) -> int:
    return bulkhead.in_flight


def _queued(bulkhead: BulkheadMiddleware) -> int:
    return bulkhead.queued
