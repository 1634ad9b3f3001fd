"""Filter metrics: whom the filters keep out, for whoever keeps the lists.

| metric                                        | labels        | counts                                        |
|-----------------------------------------------|---------------|-----------------------------------------------|
| api_gateway_ip_filter_refusals_total          | owner, list   | requests refused by address                   |
| api_gateway_ip_filter_reloads_total           | owner, result | changes of its files: `taken`, or `mistake`   |
| api_gateway_header_filter_refusals_total      | owner, list   | requests refused for what they carry, or lack |
| api_gateway_cors_preflights_total             | owner, result | preflights: `answered`, or `refused`          |

Rule: all is read from the filters when somebody asks, so a request costs nothing more. `owner` is the middleware list
in which a filter stands: `gateway`, or a route's; several of a kind in one list are added up.

Bound: owners come from the configuration; no address, header or origin is ever a label.

What it does not do: say who was refused. The access log does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TypeAlias

from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from api_gateway.middleware.cors import CorsMiddleware
from api_gateway.middleware.header_filter import HeaderFilterMiddleware
from api_gateway.middleware.ip_filter import IpFilterMiddleware

Filter: TypeAlias = IpFilterMiddleware | HeaderFilterMiddleware | CorsMiddleware
_Counts: TypeAlias = Counter[tuple[str, str]]


class FilterMetrics(Collector):
    """The filters of one gateway; register it where they shall be read."""

    def __init__(self) -> None:
        self._filters: list[tuple[str, Filter]] = []

    def watch(self, owner: str, layer: Filter) -> None:
        """Show `layer`, which stands in the list of `owner`."""
        self._filters.append((owner, layer))

    def describe(self) -> Iterator[Metric]:
        """The names, so that a registry refuses a second set."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand."""
        addresses, reloads, headers, preflights = _Counts(), _Counts(), _Counts(), _Counts()
        for owner, layer in self._filters:
            match layer:
                case IpFilterMiddleware():
                    addresses[owner, "allow"] += layer.refused_by_allow
                    addresses[owner, "deny"] += layer.refused_by_deny
                    for file in layer.files:
                        reloads[owner, "taken"] += file.reloads
                        reloads[owner, "mistake"] += file.failures
                case HeaderFilterMiddleware():
                    headers[owner, "deny"] += layer.refused
                    headers[owner, "require"] += layer.unmet
                case CorsMiddleware():
                    preflights[owner, "answered"] += layer.preflights
                    preflights[owner, "refused"] += layer.preflights_refused
        yield _family("ip_filter_refusals", "Requests refused by address.", "list", addresses)
        yield _family("ip_filter_reloads", "Changes of the files of address lists.", "result", reloads)
        yield _family("header_filter_refusals", "Requests refused for what they carry, or lack.", "list", headers)
        yield _family("cors_preflights", "Questions of browsers before a page's request.", "result", preflights)


def _family(name: str, meaning: str, label: str, counts: _Counts) -> Metric:
    family = CounterMetricFamily(f"api_gateway_{name}", meaning, labels=["owner", label])
    for labels, count in counts.items():
        family.add_metric(labels, count)
    return family
