"""Rate-limit metrics: what the limits did, for whoever tunes them.

| metric                                          | labels        | counts                                     |
|-------------------------------------------------|---------------|--------------------------------------------|
| api_gateway_rate_limit_refusals_total           | policy, route | requests refused                           |
| api_gateway_rate_limit_dry_run_refusals_total   | policy, route | requests that would have been              |
| api_gateway_rate_limit_delays_total             | policy, route | requests made to wait for their turn       |
| api_gateway_rate_limit_degraded_total           | mode          | decided without the shared store, and how  |
| api_gateway_rate_limit_keys                     | policy        | keys with a state in this process          |
| api_gateway_rate_limit_overflows_total          | policy        | new keys that found the table full         |
| api_gateway_rate_limit_store_up                 | store         | processes that reach the shared store now  |
| api_gateway_rate_limit_store_outages_total      | store         | how often it went out of reach             |
| api_gateway_rate_limit_store_errors_total       | store         | answers of it that were errors             |
| api_gateway_rate_limit_store_repeated_total     | store         | questions repeated with the script's text  |

Rule: one refusal counts once for each policy that refused; `route` is `none` where a limit stands before the
router. What tables and stores know is read from them when somebody asks.

Bound: policies, routes, modes and stores (without their passwords) come from the configuration; no key is ever
a label.

What it does not do: count what was admitted; `api_gateway_requests_total` does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Protocol, TypeAlias

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api_gateway.middleware.metrics.metrics_middleware import NO_ROUTE
from api_gateway.rate_limiting.limit_store import Degraded

_ByPolicy: TypeAlias = dict[tuple[str, str], int]


class Table(Protocol):
    """The states of one limit in this process."""

    @property
    def overflows(self) -> int:
        """How many new keys found no room."""
        ...

    def __len__(self) -> int: ...


class Store(Protocol):
    """A store that gateways share."""

    @property
    def reachable(self) -> bool:
        """Whether it can be asked just now."""
        ...

    @property
    def outages(self) -> int:
        """How often it went out of reach."""
        ...

    @property
    def errors(self) -> int:
        """How many of its answers were errors."""
        ...

    @property
    def repeated(self) -> int:
        """How many questions had to be asked twice."""
        ...


class RateLimitMetrics(Collector):
    """Counts for all limits of one gateway; register it where they shall be read."""

    def __init__(self) -> None:
        self._refusals: _ByPolicy = {}
        self._dry_refusals: _ByPolicy = {}
        self._delays: _ByPolicy = {}
        self._degraded: dict[Degraded, int] = {}
        self._tables: dict[str, Table] = {}
        self._stores: list[tuple[str, Store]] = []

    def watch(self, policy: str, table: Table) -> None:
        """Show how full `table` is."""
        self._tables[policy] = table

    def watch_store(self, name: str, store: Store) -> None:
        """Show how `store` is, which people call `name`."""
        self._stores.append((name, store))

    def refused(self, policy: str, route: str, *, dry_run: bool = False) -> None:
        """Count a refusal, or what would have been one."""
        _count(self._dry_refusals if dry_run else self._refusals, policy, route)

    def delayed(self, policy: str, route: str) -> None:
        """Count a request that waits for its turn."""
        _count(self._delays, policy, route)

    def degraded(self, mode: Degraded) -> None:
        """Count a decision made without the shared store."""
        self._degraded[mode] = self._degraded.get(mode, 0) + 1

    def describe(self) -> Iterator[Metric]:
        """The names, so that a registry refuses a second set."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand."""
        for name, about, counts in (
            ("refusals", "Requests refused by a rate limit.", self._refusals),
            ("dry_run_refusals", "Requests that a rate limit on trial would have refused.", self._dry_refusals),
            ("delays", "Requests that a rate limit made wait.", self._delays),
        ):
            family = CounterMetricFamily(f"api_gateway_rate_limit_{name}", about, labels=["policy", "route"])
            for labels, count in counts.items():
                family.add_metric(labels, count)
            yield family
        degraded = CounterMetricFamily(
            "api_gateway_rate_limit_degraded", "Requests decided without the shared store.", labels=["mode"]
        )
        for mode, count in self._degraded.items():
            degraded.add_metric([mode], count)
        yield degraded
        keys = GaugeMetricFamily("api_gateway_rate_limit_keys", "Keys with a state.", labels=["policy"])
        overflows = CounterMetricFamily(
            "api_gateway_rate_limit_overflows", "New keys that found the table full.", labels=["policy"]
        )
        for policy, table in self._tables.items():
            keys.add_metric([policy], len(table))
            overflows.add_metric([policy], table.overflows)
        yield keys
        yield overflows
        yield from self._of_stores()

    def _of_stores(self) -> Iterator[Metric]:
        up: dict[str, bool] = {}
        outages, errors, repeated = (Counter[str]() for _ in range(3))
        for name, store in self._stores:  # two may lead to one server
            up[name] = up.get(name, True) and store.reachable
            outages[name] += store.outages
            errors[name] += store.errors
            repeated[name] += store.repeated
        reached = GaugeMetricFamily("api_gateway_rate_limit_store_up", "Whether it is in reach.", labels=["store"])
        for name, reachable in up.items():
            reached.add_metric([name], reachable)
        yield reached
        for kind, about, counts in (
            ("outages", "How often a shared store went out of reach.", outages),
            ("errors", "Answers of a shared store that were errors.", errors),
            ("repeated", "Questions to a shared store that had to bring the script's text.", repeated),
        ):
            family = CounterMetricFamily(f"api_gateway_rate_limit_store_{kind}", about, labels=["store"])
            for name, count in counts.items():
                family.add_metric([name], count)
            yield family


def _count(counts: _ByPolicy, policy: str, route: str) -> None:
    key = policy, route or NO_ROUTE
    counts[key] = counts.get(key, 0) + 1
