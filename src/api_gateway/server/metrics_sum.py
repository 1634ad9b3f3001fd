"""Metrics sum: the metrics of several processes, as if they were one.

Rule: samples of the same name and labels are added; of moments (`..._expiry_seconds`) the earliest
stands. Counters must never go down, or whoever reads them takes the fall for a restart; so what a
process had counted when it was last asked stays in the sum when another takes its place. Gauges say
what is now, so of them only the living count.

Each place numbers its processes, because counters alone do not tell: a successor may have counted
more than its predecessor by the time it is asked, and of two answers under way at once the older
may come last, and looks like a fall.

Bound: what a process counted between the last question and its sudden end is lost.

Source: Prometheus, text format; the way its server itself sees counter resets.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

_Key = tuple[str, tuple[tuple[str, str], ...]]
_Values = dict[_Key, float]
_MOMENT = "_expiry_seconds"


class MetricsSum(Collector):
    """The sum over `places` for processes, numbered from 0."""

    def __init__(self, places: int) -> None:
        self.registry = CollectorRegistry()
        """Where the sum is; hand it to the exposition."""
        self._families: dict[str, Metric] = {}
        self._now: list[_Values] = [{} for _ in range(places)]
        self._process = [0] * places
        self._before: _Values = {}
        self.registry.register(self)

    def update(self, place: int, process: int, text: str) -> None:
        """Take over what a process says of itself, in the text format.

        `process` is greater than that of those who were in this place before.
        """
        if process < self._process[place]:
            return
        if process > self._process[place]:
            self._process[place] = process
            self._before = _added(self._before, self._counters(place))
            self._now[place] = {}
        counted = self._counters(place)
        values: _Values = {}
        for family in text_string_to_metric_families(text):
            self._families[family.name] = family
            for sample in family.samples:
                key = _key(sample)
                values[key] = max(sample.value, counted.get(key, 0.0))
        self._now[place] = {**counted, **values}

    def gone(self, place: int) -> None:
        """The process does not answer: what it holds now is unknown, what it counted stands."""
        self._now[place] = self._counters(place)

    def _counters(self, place: int) -> _Values:
        return {key: value for key, value in self._now[place].items() if self._only_grows(key)}

    def collect(self) -> Iterator[Metric]:
        """See `Collector`."""
        total = self._before
        for values in self._now:
            total = _added(total, values)
        for family in self._families.values():
            summed = Metric(family.name, family.documentation, family.type)
            summed.samples = [
                Sample(name, dict(labels), value) for (name, labels), value in total.items() if _belongs(name, family)
            ]
            yield summed

    def _only_grows(self, key: _Key) -> bool:
        return any(family.type != "gauge" and _belongs(key[0], family) for family in self._families.values())


def _key(sample: Sample) -> _Key:
    return sample.name, tuple(sample.labels.items())


def _added(one: _Values, other: _Values) -> _Values:
    return {key: _joined(key[0], [values[key] for values in (one, other) if key in values]) for key in (*one, *other)}


def _joined(name: str, values: list[float]) -> float:
    return min(values) if name.endswith(_MOMENT) else sum(values)


def _belongs(name: str, family: Metric) -> bool:
    return name.removeprefix(family.name) in ("", "_total", "_bucket", "_sum", "_count", "_created")
