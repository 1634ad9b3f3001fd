"""Transform metrics: what became of the bodies that were to be changed.

| metric                             | labels                    | counts                                            |
|------------------------------------|---------------------------|---------------------------------------------------|
| api_gateway_body_transforms_total  | owner, direction, result  | bodies `transformed`, `passed_through`, `failed`  |

Rule: read from the middleware when somebody asks. `owner` is the middleware list in which a transform stands:
`gateway`, or a route's; several in one list are added up. Failed requests are refused; failed answers are refused, or
passed on where the configuration says so.

Bound: owners come from the configuration.

What it does not do: count changes of headers, which cannot fail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from api_gateway.middleware.transform.transform_middleware import TransformMiddleware


class TransformMetrics(Collector):
    """The transforms of one gateway; register it where they shall be read."""

    def __init__(self) -> None:
        self._transforms: list[tuple[str, TransformMiddleware]] = []

    def watch(self, owner: str, layer: TransformMiddleware) -> None:
        """Show `layer`, which stands in the list of `owner`."""
        self._transforms.append((owner, layer))

    def describe(self) -> Iterator[Metric]:
        """The names, so that a registry refuses a second set."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand."""
        counts: Counter[tuple[str, str, str]] = Counter()
        for owner, layer in self._transforms:
            for direction, body in (("request", layer.request_body), ("response", layer.response_body)):
                if body is not None:
                    counts[owner, direction, "transformed"] += body.transformed
                    counts[owner, direction, "passed_through"] += body.passed_through
                    counts[owner, direction, "failed"] += body.failed
        family = CounterMetricFamily(
            "api_gateway_body_transforms", "Bodies that were to be changed.", labels=["owner", "direction", "result"]
        )
        for labels, count in counts.items():
            family.add_metric(labels, count)
        yield family
