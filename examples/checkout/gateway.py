"""The gateway before the checkout: who may call, how often, how long; and the five services behind it.

Rule: the services that change something are asked with PUT and DELETE under names that the checkout chooses, so their
`retry` is safe, and undoing gets through short troubles. They must have no `fallback`, which would pass for an
answer of theirs, and no `cache`.

What it does not do: listen (`__main__.py`), or say what a checkout is (`checkout.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random

from api_gateway import ApiGateway, build_gateway
from api_gateway.build_tools import MiddlewareFactory
from api_gateway.core.clock import Clock
from examples.checkout.checkout import Checkout

SERVICES = ("carts", "inventory", "payments", "orders", "shipping")


def configuration(keys_file: Path, endpoints: Mapping[str, str]) -> dict[str, object]:
    """As in a configuration file; `endpoints` are the services' URLs, of those that are behind sockets."""
    return {
        "services": {name: _service(endpoints.get(name)) for name in SERVICES},
        "middleware": ["request_id"],
        "routes": [
            {
                "path": "/api/checkout",
                "service": "checkout",
                "methods": ["POST"],
                "middleware": [
                    {"auth": {"any_of": [{"api_key": {"keys_file": str(keys_file)}}]}},
                    {"rate_limit": {"algorithm": "gcra", "rate": "30/min", "burst": 10, "key": "identity"}},
                    {"body_limit": "64KiB"},
                    {"deadline": "20s"},
                ],
            }
        ],
    }


def shop_gateway(
    config: Mapping[str, object],
    checkout: Checkout,
    services: Mapping[str, object] = {},
    *,
    clock: Clock | None = None,
    random: Random | None = None,
    middleware: Mapping[str, MiddlewareFactory] = {},
) -> ApiGateway:
    """The gateway that `config` describes, with `checkout` behind it and its services connected."""
    gateway = build_gateway(
        config, services={**services, "checkout": checkout}, clock=clock, random=random, middleware=middleware
    )
    checkout.connect(gateway.services)
    return gateway


def _service(endpoint: str | None) -> dict[str, object]:
    sockets = {"endpoints": [endpoint], "timeout": {"connect": "500ms", "request": "1s"}}
    return {
        **(sockets if endpoint is not None else {}),
        "retry": {"attempts": 2, "on": ["connect_error", "reset", 502, 503, 504], "backoff": "50ms"},
        "circuit_breaker": {"window": "10s", "min_calls": 10, "failure_rate": 0.5, "open_for": "5s"},
    }
