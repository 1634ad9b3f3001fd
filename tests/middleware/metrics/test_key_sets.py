"""Metrics of fetched keys."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from api_gateway.auth.remote_key_set import RemoteKeySet
from api_gateway.core.errors import IdentityUnavailable
from api_gateway.core.upstream_errors import ConnectFailed
from api_gateway.middleware.metrics.key_sets import KeySetMetrics
from api_gateway.simulation import VirtualClock, run
from tests.support.jwt_tokens import EC, Provider, jwks


def text_of(metrics: KeySetMetrics) -> str:
    registry = CollectorRegistry()
    registry.register(metrics)
    return generate_latest(registry).decode()


def test_what_is_fetched_is_shown_by_provider() -> None:
    async def main() -> None:
        metrics, good, bad = KeySetMetrics(), Provider(jwks(EC)), Provider()
        bad.error = ConnectFailed("refused")
        sets = [
            RemoteKeySet(provider, "/jwks", name=name, clock=VirtualClock())
            for name, provider in (("id.example", good), ("id.example", good), ("other.example", bad))
        ]
        for keys in sets:
            metrics.watch(keys)
        await sets[0].look_again()
        await sets[0].look_again()
        await sets[1].look_again()
        with pytest.raises(IdentityUnavailable):
            await sets[2].look_again()
        text = text_of(metrics)
        for line in (
            'api_gateway_jwks_fetches_total{provider="id.example"} 2.0',
            'api_gateway_jwks_fetches_total{provider="other.example"} 1.0',
            'api_gateway_jwks_failures_total{provider="id.example"} 0.0',
            'api_gateway_jwks_failures_total{provider="other.example"} 1.0',
            'api_gateway_jwks_stale_served_total{provider="id.example"} 0.0',
            'api_gateway_jwks_unknown_kid_total{provider="id.example"} 1.0',
            'api_gateway_jwks_down{provider="id.example"} 0.0',
            'api_gateway_jwks_down{provider="other.example"} 1.0',
        ):
            assert line in text

    run(main)


def test_a_registry_refuses_a_second_set() -> None:
    registry = CollectorRegistry()
    registry.register(KeySetMetrics())
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(KeySetMetrics())
