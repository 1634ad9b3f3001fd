"""Key set metrics: how the keys of identity providers are fetched, and what happens while they cannot be.

| metric                                  | labels   | counts                                                       |
|-----------------------------------------|----------|--------------------------------------------------------------|
| api_gateway_jwks_fetches_total          | provider | how often keys were asked for                                |
| api_gateway_jwks_failures_total         | provider | how often they did not come                                  |
| api_gateway_jwks_stale_served_total     | provider | how often keys were used past their time, as it was down     |
| api_gateway_jwks_unknown_kid_total      | provider | tokens that named a key which the provider had not published |
| api_gateway_jwks_down                   | provider | 1 if keys did not come the last time; summed over those who  |
|                                         |          | ask, as each finds out by itself                             |

Rule: all is read when somebody asks for it. Several that ask one provider are one line.

Bound: providers come from the configuration; no `kid` is ever a label.

What it does not do: say why. That is in the log, once for each change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Protocol

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_PREFIX = "api_gateway_jwks"


class FetchedKeys(Protocol):
    """Keys that are fetched; see `auth.remote_key_set.RemoteKeySet`."""

    name: str
    fetches: int
    failures: int
    stale_served: int
    unknown_kid: int
    down: bool


class KeySetMetrics(Collector):
    """The key sets of one gateway; register it where they shall be read."""

    def __init__(self) -> None:
        self._watched: list[FetchedKeys] = []

    def watch(self, keys: FetchedKeys) -> None:
        """Show how they are fetched."""
        self._watched.append(keys)

    def describe(self) -> Iterator[Metric]:
        """The names, so that a registry refuses a second set."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand."""
        yield self._counter("fetches", "How often keys were asked for.", lambda keys: keys.fetches)
        yield self._counter("failures", "How often keys did not come.", lambda keys: keys.failures)
        yield self._counter("stale_served", "Uses of keys past their time.", lambda keys: keys.stale_served)
        yield self._counter("unknown_kid", "Tokens of a key that is not published.", lambda keys: keys.unknown_kid)
        down = GaugeMetricFamily(f"{_PREFIX}_down", "Whether keys did not come the last time.", labels=["provider"])
        for name, count in self._sums(lambda keys: keys.down).items():
            down.add_metric([name], count)
        yield down

    def _counter(self, name: str, about: str, read: Callable[[FetchedKeys], int]) -> Metric:
        family = CounterMetricFamily(f"{_PREFIX}_{name}", about, labels=["provider"])
        for provider, count in self._sums(read).items():
            family.add_metric([provider], count)
        return family

    def _sums(self, read: Callable[[FetchedKeys], int]) -> Counter[str]:
        sums: Counter[str] = Counter()
        for keys in self._watched:
            sums[keys.name] += read(keys)
        return sums
