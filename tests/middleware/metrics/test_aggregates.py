"""Aggregate metrics: read from the aggregates, and added up where routes share a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from api_gateway.backend.aggregator import PartCounts
from api_gateway.middleware.metrics.aggregates import AggregateMetrics


@dataclass
class Counted:
    name: str
    partial: int
    counts: Mapping[str, PartCounts] = field(default_factory=dict)


def test_parts_are_shown_by_route() -> None:
    registry, metrics = CollectorRegistry(), AggregateMetrics()
    registry.register(metrics)
    metrics.watch(Counted("/a", 1, {"order": PartCounts(3, 1, 1_500_000_000)}))
    metrics.watch(Counted("/a", 1, {"order": PartCounts(2, 0, 500_000_000), "user": PartCounts()}))
    metrics.watch(Counted("/b", 0))
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    assert lines == [
        'api_gateway_aggregate_parts_total{part="order",result="answered",route="/a"} 5.0',
        'api_gateway_aggregate_parts_total{part="order",result="failed",route="/a"} 1.0',
        'api_gateway_aggregate_parts_total{part="user",result="answered",route="/a"} 0.0',
        'api_gateway_aggregate_parts_total{part="user",result="failed",route="/a"} 0.0',
        'api_gateway_aggregate_part_seconds_total{part="order",route="/a"} 2.0',
        'api_gateway_aggregate_part_seconds_total{part="user",route="/a"} 0.0',
        'api_gateway_aggregate_partial_answers_total{route="/a"} 2.0',
        'api_gateway_aggregate_partial_answers_total{route="/b"} 0.0',
    ]


def test_a_registry_takes_one_set_only() -> None:
    registry = CollectorRegistry()
    registry.register(AggregateMetrics())
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(AggregateMetrics())
