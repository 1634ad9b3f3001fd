"""Attempt metrics: how often a service was asked again, asked twice, or stood in for.

| metric                                   | labels          | counts                                               |
|------------------------------------------|-----------------|------------------------------------------------------|
| api_gateway_retries_total                | service         | tries after the first                                |
| api_gateway_retries_refused_total        | service, reason | retries not made: budget, time, attempts             |
| api_gateway_hedges_total                 | service         | second calls to a service that was late              |
| api_gateway_hedges_won_total             | service         | requests that the second call answered               |
| api_gateway_hedges_refused_total         | service         | second calls that the budget refused                 |
| api_gateway_fallbacks_total              | service         | failures that were replaced                          |

Rule: all is read from the middleware when somebody asks, so a request costs nothing more.

Bound: services come from the configuration; no address is ever a label.

What it does not do: count requests or failures; `api_gateway_requests_total` does.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from api_gateway.middleware.fallback import FallbackMiddleware
from api_gateway.middleware.hedge import HedgeMiddleware
from api_gateway.middleware.retry import RetryMiddleware


class AttemptMetrics(Collector):
    """Retries, hedges and fallbacks of one gateway; register it where they shall be read."""

    def __init__(self) -> None:
        self._retries: dict[str, RetryMiddleware] = {}
        self._hedges: dict[str, HedgeMiddleware] = {}
        self._fallbacks: dict[str, FallbackMiddleware] = {}

    def watch(self, service: str, middleware: RetryMiddleware | HedgeMiddleware | FallbackMiddleware) -> None:
        """Show what `middleware` does for `service`."""
        match middleware:
            case RetryMiddleware():
                self._retries[service] = middleware
            case HedgeMiddleware():
                self._hedges[service] = middleware
            case FallbackMiddleware():
                self._fallbacks[service] = middleware

    def describe(self) -> Iterator[Metric]:
        """The names, so that a registry refuses a second set."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand."""
        retries = _counter("retries", "Tries after the first.")
        unmade = _counter("retries_refused", "Retries that were not made.", "reason")
        for service, retry in self._retries.items():
            retries.add_metric([service], retry.retries)
            for reason, count in (
                ("budget", retry.out_of_budget),
                ("time", retry.out_of_time),
                ("attempts", retry.exhausted),
            ):
                unmade.add_metric([service, reason], count)
        hedges = _counter("hedges", "Second calls to a service that was late.")
        won = _counter("hedges_won", "Requests that the second call answered.")
        refused = _counter("hedges_refused", "Second calls that the budget refused.")
        for service, hedge in self._hedges.items():
            hedges.add_metric([service], hedge.hedges)
            won.add_metric([service], hedge.wins)
            refused.add_metric([service], hedge.out_of_budget)
        fallbacks = _counter("fallbacks", "Failures that were replaced.")
        for service, fallback in self._fallbacks.items():
            fallbacks.add_metric([service], fallback.fallbacks)
        yield from (retries, unmade, hedges, won, refused, fallbacks)


def _counter(name: str, about: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"api_gateway_{name}", about, labels=["service", *labels])
