"""Security metrics: how much was refused, for alerts that do not read logs.

| metric                                       | labels       | counts                                      |
|----------------------------------------------|--------------|---------------------------------------------|
| api_gateway_security_events_total            | event, route | refusals, whether or not they have a line   |
| api_gateway_security_events_suppressed_total | event        | those without a line of their own           |

Rule: nothing is counted here; the numbers are read from the stream when somebody asks. `route` is `none` where none
had been found, and for what the edge refuses. A kind of event that has not happened is there with 0, so that the
first one is a rise and not a new series.

Bound: six events, the routes of the configuration.

What it does not do: tell callers apart. The lines of the log do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from api_gateway.core.security_events import EventName, SecurityEvents
from api_gateway.middleware.metrics.metrics_middleware import NO_ROUTE


class SecurityMetrics(Collector):
    """Shows one stream; register it where it shall be read."""

    def __init__(self, events: SecurityEvents) -> None:
        self._events = events

    def describe(self) -> Iterator[Metric]:
        """The names, so that a registry refuses a second set."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand."""
        counted = CounterMetricFamily(
            "api_gateway_security_events", "What the gateway refused.", labels=["event", "route"]
        )
        counts: dict[tuple[EventName, str], int] = {(name, ""): 0 for name in get_args(EventName)}
        for (name, route), count in {**counts, **self._events.counts}.items():
            counted.add_metric([name, route or NO_ROUTE], count)
        yield counted
        suppressed = CounterMetricFamily(
            "api_gateway_security_events_suppressed", "Security events without a line in the log.", labels=["event"]
        )
        for name, count in self._events.suppressed.items():
            suppressed.add_metric([name], count)
        yield suppressed
