"""Health metrics: how many endpoints can be used, for whoever is woken at night.

| metric                                  | labels            | is                                             |
|-----------------------------------------|-------------------|------------------------------------------------|
| api_gateway_endpoint_healthy            | service, endpoint | 1 while nothing is known against it, else 0    |
| api_gateway_service_panicking           | service           | 1 while all are used because few are healthy   |
| api_gateway_outlier_ejections_total     | service           | ejections by outlier detection                 |
| api_gateway_health_checks_total         | service, result   | checks that ended, `passed` or `failed`        |

Rule: read from the services when somebody asks; nothing is counted here. Summed over several workers the first two
say in how many of them it is so.

Bound: services and endpoints come from the configuration or from discovery; one that leaves leaves the metrics.

What it does not do: measure health (`backend/`, of which it knows but the shape).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api_gateway.core.clock import Clock


class Pool(Protocol):
    """The endpoints of one service."""

    name: str
    panicking: bool
    ejections: int

    def healthy_urls(self, now: int) -> Mapping[str, bool]:
        """For each endpoint whether it is healthy."""
        ...


class Checks(Protocol):
    """The checks of one service."""

    checks: int
    failures: int


class HealthMetrics(Collector):
    """The health of all services of one gateway; register it where it shall be read."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._watched: list[tuple[Pool, Checks | None]] = []

    def watch(self, pool: Pool, checks: Checks | None = None) -> None:
        """Show a service; with `checks` if there are any."""
        self._watched.append((pool, checks))

    def describe(self) -> Iterator[Metric]:
        """The names, so that a registry refuses a second set."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand."""
        now = self._clock.monotonic()
        healthy = GaugeMetricFamily(
            "api_gateway_endpoint_healthy", "Nothing is known against it.", labels=["service", "endpoint"]
        )
        panicking = GaugeMetricFamily(
            "api_gateway_service_panicking", "All are used because few are healthy.", labels=["service"]
        )
        ejections = CounterMetricFamily(
            "api_gateway_outlier_ejections", "Ejections by outlier detection.", labels=["service"]
        )
        checks = CounterMetricFamily(
            "api_gateway_health_checks", "Health checks that ended.", labels=["service", "result"]
        )
        for pool, checked in self._watched:
            for url, value in pool.healthy_urls(now).items():
                healthy.add_metric([pool.name, url], value)
            panicking.add_metric([pool.name], pool.panicking)
            ejections.add_metric([pool.name], pool.ejections)
            if checked is not None:
                checks.add_metric([pool.name, "passed"], checked.checks - checked.failures)
                checks.add_metric([pool.name, "failed"], checked.failures)
        yield from (healthy, panicking, ejections, checks)
