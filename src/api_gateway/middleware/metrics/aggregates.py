"""Aggregate metrics: which parts fail, and which take long.

| metric                                       | labels              | counts                                        |
|----------------------------------------------|---------------------|-----------------------------------------------|
| api_gateway_aggregate_parts_total            | route, part, result | parts that were asked: `answered` or `failed` |
| api_gateway_aggregate_part_seconds_total     | route, part         | time from when they could be asked            |
| api_gateway_aggregate_partial_answers_total  | route               | answers that lacked an optional part          |

Rule: read from the aggregates when somebody asks. A failed part is one of which something is missing; one that was
cancelled because another had failed counts nowhere.

Bound: routes and parts come from the configuration. Routes that share a name are added up.

What it does not do: count the requests to services; what stands around those does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Protocol

from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from api_gateway.core.clock import NANOSECONDS


class PartCounts(Protocol):
    """What became of one part."""

    @property
    def answered(self) -> int:
        """How often it was there."""
        ...

    @property
    def failed(self) -> int:
        """How often something of it was missing."""
        ...

    @property
    def duration(self) -> int:
        """Nanoseconds, summed."""
        ...


class Aggregate(Protocol):
    """One aggregate."""

    @property
    def name(self) -> str:
        """Its route's."""
        ...

    @property
    def partial(self) -> int:
        """Answers that lacked an optional part."""
        ...

    @property
    def counts(self) -> Mapping[str, PartCounts]:
        """By part."""
        ...


class AggregateMetrics(Collector):
    """Counts for all aggregates of one gateway; register it where they shall be read."""

    def __init__(self) -> None:
        self._aggregates: list[Aggregate] = []

    def watch(self, aggregate: Aggregate) -> None:
        """Show what becomes of its parts."""
        self._aggregates.append(aggregate)

    def describe(self) -> Iterator[Metric]:
        """The names, so that a registry refuses a second set."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand."""
        results: Counter[tuple[str, str, str]] = Counter()
        durations: Counter[tuple[str, str]] = Counter()
        answers: Counter[tuple[str]] = Counter()
        for aggregate in self._aggregates:
            answers[aggregate.name,] += aggregate.partial
            for part, counts in aggregate.counts.items():
                results[aggregate.name, part, "answered"] += counts.answered
                results[aggregate.name, part, "failed"] += counts.failed
                durations[aggregate.name, part] += counts.duration
        parts = _counter("parts", "Parts of answers that were asked for.", "part", "result")
        for labels, count in results.items():
            parts.add_metric(labels, count)
        seconds = _counter("part_seconds", "Seconds that parts took.", "part")
        for names, nanoseconds in durations.items():
            seconds.add_metric(names, nanoseconds / NANOSECONDS)
        partial = _counter("partial_answers", "Answers that lacked an optional part.")
        for route, count in answers.items():
            partial.add_metric(route, count)
        yield from (parts, seconds, partial)


def _counter(name: str, about: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"api_gateway_aggregate_{name}", about, labels=["route", *labels])
