"""Attempt metrics: each count under its own name."""

from __future__ import annotations

from random import Random

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from api_gateway.middleware.fallback import FallbackMiddleware, StatedResponse
from api_gateway.middleware.hedge import HedgeMiddleware
from api_gateway.middleware.metrics.attempts import AttemptMetrics
from api_gateway.middleware.retry import RetryMiddleware
from api_gateway.resilience.backoff import Backoff
from api_gateway.resilience.hedging import Hedging


def test_each_count_has_its_own_line() -> None:
    retry = RetryMiddleware(3, Backoff(1, 1, Random(1)), None)
    hedge, fallback = HedgeMiddleware(Hedging(1, 1.0)), FallbackMiddleware(StatedResponse(200))
    retry.retries, retry.out_of_budget, retry.out_of_time, retry.exhausted = 1, 2, 3, 4
    hedge.hedges, hedge.wins, hedge.out_of_budget = 5, 6, 7
    fallback.fallbacks = 8
    metrics, registry = AttemptMetrics(), CollectorRegistry()
    registry.register(metrics)
    for middleware in (retry, hedge, fallback):
        metrics.watch("users", middleware)
    lines = generate_latest(registry).decode().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        'api_gateway_retries_total{service="users"} 1.0',
        'api_gateway_retries_refused_total{reason="budget",service="users"} 2.0',
        'api_gateway_retries_refused_total{reason="time",service="users"} 3.0',
        'api_gateway_retries_refused_total{reason="attempts",service="users"} 4.0',
        'api_gateway_hedges_total{service="users"} 5.0',
        'api_gateway_hedges_won_total{service="users"} 6.0',
        'api_gateway_hedges_refused_total{service="users"} 7.0',
        'api_gateway_fallbacks_total{service="users"} 8.0',
    ]


def test_a_second_set_in_one_registry_is_an_error() -> None:
    registry = CollectorRegistry()
    registry.register(AttemptMetrics())
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        registry.register(AttemptMetrics())
