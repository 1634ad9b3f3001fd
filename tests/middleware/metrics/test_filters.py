"""Filter metrics: each refusal under its owner and list."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from api_gateway import Handler, Request, RequestContext, Response
from api_gateway.core.errors import GatewayError
from api_gateway.core.middleware import Middleware
from api_gateway.middleware.cors import CorsMiddleware
from api_gateway.middleware.header_filter import HeaderFilterMiddleware
from api_gateway.middleware.ip_filter import IpFilterMiddleware
from api_gateway.middleware.metrics.filters import FilterMetrics


async def service(request: Request, context: RequestContext) -> Response:
    return Response()


async def ask(layer: Middleware, request: Request, address: str = "", handler: Handler = service) -> None:
    with suppress(GatewayError):
        await layer(request, RequestContext(peer_address=address), handler)


async def test_each_refusal_is_counted_under_its_owner_and_list(tmp_path: Path) -> None:
    file = tmp_path / "blocked"
    file.write_text("192.0.2.0/24\n")
    ip_filter = IpFilterMiddleware(["10.0.0.0/8"], deny_file=file)
    again = IpFilterMiddleware(deny=["10.0.0.0/8"])
    headers = HeaderFilterMiddleware(deny=[("x-bad", bool)], require=[("x-good", bool)])
    cors = CorsMiddleware(["https://app.example"])
    metrics = FilterMetrics()
    for owner, layer in (("gateway", ip_filter), ("gateway", again), ("route a", headers), ("route a", cors)):
        metrics.watch(owner, layer)
    for address in ("192.0.2.1", "192.0.2.2", "198.51.100.1", "10.0.0.1"):
        await ask(ip_filter, Request("GET", "/"), address)
    await ask(again, Request("GET", "/"), "10.0.0.1")
    file.write_text("no network\n")
    ip_filter.files[0].look()
    await ask(headers, Request("GET", "/", {"x-bad": "1"}))
    await ask(headers, Request("GET", "/"))
    await ask(headers, Request("GET", "/", {"x-good": "1"}))
    for origin in ("https://app.example", "https://evil.example", "null"):
        await ask(cors, Request("OPTIONS", "/", {"origin": origin, "access-control-request-method": "PUT"}))

    registry = CollectorRegistry()
    registry.register(metrics)
    shown = generate_latest(registry).decode()
    for line in (
        'api_gateway_ip_filter_refusals_total{list="deny",owner="gateway"} 3.0',
        'api_gateway_ip_filter_refusals_total{list="allow",owner="gateway"} 1.0',
        'api_gateway_ip_filter_reloads_total{owner="gateway",result="taken"} 0.0',
        'api_gateway_ip_filter_reloads_total{owner="gateway",result="mistake"} 1.0',
        'api_gateway_header_filter_refusals_total{list="deny",owner="route a"} 1.0',
        'api_gateway_header_filter_refusals_total{list="require",owner="route a"} 1.0',
        'api_gateway_cors_preflights_total{owner="route a",result="answered"} 1.0',
        'api_gateway_cors_preflights_total{owner="route a",result="refused"} 2.0',
    ):
        assert line in shown
    for known_by_clients_only in ("192.0.2", "evil", "x-bad"):
        assert known_by_clients_only not in shown


def test_a_second_set_in_one_registry_is_refused() -> None:
    registry = CollectorRegistry()
    registry.register(FilterMetrics())
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(FilterMetrics())
