"""Introspection metrics: what identity providers were asked, what they said, and what happened without them.

| metric                                       | labels            | counts                                           |
|----------------------------------------------|-------------------|--------------------------------------------------|
| api_gateway_introspection_questions_total    | provider          | questions, those that a circuit kept back too    |
| api_gateway_introspection_answers_total      | provider, result  | active, inactive (or not for us), failure        |
| api_gateway_introspection_cache_hits_total   | provider          | requests that needed no question                 |
| api_gateway_introspection_joined_total       | provider          | requests that waited for another's question      |
| api_gateway_introspection_while_down_total   | provider, outcome | requests admitted by what was known, or refused  |
| api_gateway_introspection_down               | provider          | 1 if the last question failed; summed over those |
|                                              |                   | who ask, as each finds out by itself             |

Rule: all is read when somebody asks for it. Several that ask one provider are one line.

Bound: providers come from the configuration; no token and no caller is ever a label.

What it does not do: say why a question failed. That is in the log, once for each time that a provider goes down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Protocol

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_PREFIX = "api_gateway_introspection"


class Introspection(Protocol):
    """Whoever asks a provider; see `auth.introspection.IntrospectionAuthenticator`."""

    name: str
    asked: int
    active: int
    inactive: int
    failures: int
    cache_hits: int
    admitted_while_down: int
    refused_while_down: int
    down: bool

    @property
    def joined(self) -> int:
        """Requests that waited for another's question."""
        ...


class IntrospectionMetrics(Collector):
    """The providers of one gateway; register it where they shall be read."""

    def __init__(self) -> None:
        self._watched: list[Introspection] = []

    def watch(self, introspection: Introspection) -> None:
        """Show what it asks, and what it is told."""
        self._watched.append(introspection)

    def describe(self) -> Iterator[Metric]:
        """The names, so that a registry refuses a second set."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand."""
        yield self._counter("questions", "Questions to an identity provider.", lambda each: each.asked)
        yield self._counters("answers", "What became of them.", "result", {
            "active": lambda each: each.active,
            "inactive": lambda each: each.inactive,
            "failure": lambda each: each.failures,
        })  # fmt: skip
        yield self._counter("cache_hits", "Requests that needed no question.", lambda each: each.cache_hits)
        yield self._counter("joined", "Requests that waited for another's question.", lambda each: each.joined)
        yield self._counters("while_down", "Requests decided without the provider.", "outcome", {
            "admitted": lambda each: each.admitted_while_down,
            "refused": lambda each: each.refused_while_down,
        })  # fmt: skip
        down = GaugeMetricFamily(f"{_PREFIX}_down", "Whether the last question failed.", labels=["provider"])
        for name, count in self._sums(lambda each: each.down).items():
            down.add_metric([name], count)
        yield down

    def _counter(self, name: str, about: str, read: Callable[[Introspection], int]) -> Metric:
        family = CounterMetricFamily(f"{_PREFIX}_{name}", about, labels=["provider"])
        for provider, count in self._sums(read).items():
            family.add_metric([provider], count)
        return family

    def _counters(self, name: str, about: str, label: str, reads: dict[str, Callable[[Introspection], int]]) -> Metric:
        family = CounterMetricFamily(f"{_PREFIX}_{name}", about, labels=["provider", label])
        for value, read in reads.items():
            for provider, count in self._sums(read).items():
                family.add_metric([provider, value], count)
        return family

    def _sums(self, read: Callable[[Introspection], int]) -> Counter[str]:
        sums: Counter[str] = Counter()
        for each in self._watched:
            sums[each.name] += read(each)
        return sums
