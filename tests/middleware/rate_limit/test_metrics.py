"""Rate-limit metrics: counts by policy and route, tables read when asked, sums over processes."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from api_gateway.middleware.rate_limit.metrics import RateLimitMetrics
from api_gateway.rate_limiting import GCRA
from api_gateway.server.metrics_sum import MetricsSum

PREFIX = "api_gateway_rate_limit"


def registered() -> tuple[RateLimitMetrics, CollectorRegistry]:
    metrics, registry = RateLimitMetrics(), CollectorRegistry()
    registry.register(metrics)
    return metrics, registry


def test_refusals_dry_runs_and_delays_are_counted_apart_by_policy_and_route() -> None:
    metrics, registry = registered()
    metrics.refused("p", "users")
    metrics.refused("p", "users")
    metrics.refused("p", "")
    metrics.refused("q", "users", dry_run=True)
    metrics.delayed("p", "users")

    def value(name: str, policy: str, route: str) -> float | None:
        return registry.get_sample_value(f"{PREFIX}_{name}_total", {"policy": policy, "route": route})

    assert (value("refusals", "p", "users"), value("refusals", "p", "none"), value("refusals", "q", "users")) == (
        *(2, 1),
        None,
    )
    assert (value("dry_run_refusals", "q", "users"), value("dry_run_refusals", "p", "users")) == (1, None)
    assert value("delays", "p", "users") == 1


def test_a_tables_keys_and_overflows_are_those_of_now() -> None:
    metrics, registry = registered()
    limiter = GCRA(1, 60.0, max_keys=2)
    metrics.watch("p", limiter.table)
    assert registry.get_sample_value(f"{PREFIX}_keys", {"policy": "p"}) == 0
    for key in ("a", "b", "c", "d"):
        limiter.acquire(key, 0)
    assert registry.get_sample_value(f"{PREFIX}_keys", {"policy": "p"}) == 2
    assert registry.get_sample_value(f"{PREFIX}_overflows_total", {"policy": "p"}) == 2


def test_the_sum_over_processes_adds_all_of_it() -> None:
    total = MetricsSum(2)
    for place in (0, 1):
        metrics, registry = registered()
        limiter = GCRA(1, 60.0)
        limiter.acquire("a", 0)
        metrics.watch("p", limiter.table)
        metrics.refused("p", "users")
        metrics.refused("p", "users", dry_run=True)
        metrics.degraded("local")
        total.update(place, 1, generate_latest(registry).decode())
    value = total.registry.get_sample_value
    labels = {"policy": "p", "route": "users"}
    assert value(f"{PREFIX}_refusals_total", labels) == value(f"{PREFIX}_dry_run_refusals_total", labels) == 2
    assert value(f"{PREFIX}_degraded_total", {"mode": "local"}) == 2
    assert value(f"{PREFIX}_keys", {"policy": "p"}) == 2
    total.gone(0)
    assert value(f"{PREFIX}_keys", {"policy": "p"}) == 1
    assert value(f"{PREFIX}_refusals_total", labels) == 2


class SharedStore:
    def __init__(self, *, reachable: bool, outages: int) -> None:
        self.reachable = reachable
        self.outages = outages
        self.errors = 2
        self.repeated = 1


def test_a_shared_store_is_shown_as_it_is_and_two_that_lead_to_one_server_together() -> None:
    metrics, registry = registered()
    metrics.watch_store("redis://a", SharedStore(reachable=True, outages=1))
    metrics.watch_store("redis://b", SharedStore(reachable=True, outages=0))
    metrics.watch_store("redis://a", SharedStore(reachable=False, outages=3))

    def value(name: str, store: str) -> float | None:
        return registry.get_sample_value(f"{PREFIX}_store_{name}", {"store": store})

    assert (value("up", "redis://a"), value("up", "redis://b")) == (0, 1)
    assert (value("outages_total", "redis://a"), value("outages_total", "redis://b")) == (4, 0)
    assert (value("errors_total", "redis://a"), value("repeated_total", "redis://a")) == (4, 2)
