"""Configuration: the demo's gateway, in the words of a configuration file.

`examples/demo.yaml` says the same with fixed ports; a test keeps the two alike.

Rule: the fallback takes GET only, like payments. If it took any method, a POST to
`/api/payments/42` would be its own instead of a 405, because the router goes on to the next
specific path when a method does not fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DEADLINE = 2.0
"""Seconds that a client waits at most for `/api/reviews/slow`."""
SALE_BURST = 3
"""Requests that a client may send to `/api/products/sale` at once; later ones, six a minute."""


@dataclass(frozen=True, slots=True)
class DemoRoute:
    """One route, and what is special about it, in words."""

    path: str
    service: str
    options: Mapping[str, object] = field(default_factory=dict)
    remark: str = ""


ROUTES = (
    DemoRoute("/api/users/*", "users", {"strip_prefix": True}),
    DemoRoute("/api/orders/*", "orders", {"strip_prefix": True}),
    DemoRoute("/api/payments/*", "payments", {"strip_prefix": True, "methods": ["GET"]}, "GET only"),
    DemoRoute("/api/products/*", "products", {"strip_prefix": True}),
    DemoRoute("/api/shipments/*", "shipping", {"strip_prefix": True}),
    DemoRoute("/api/reviews/*", "reviews", {"strip_prefix": True}),
    DemoRoute(
        "/api/reviews/slow",
        "reviews",
        {"rewrite": "/slow", "middleware": [{"deadline": f"{DEADLINE:g}s"}]},
        f"the same, with a deadline of {DEADLINE:g} s",
    ),
    DemoRoute(
        "/api/products/sale",
        "products",
        {
            "rewrite": "/",
            "middleware": [{"rate_limit": {"name": "sale", "algorithm": "gcra", "rate": "6/min", "burst": SALE_BURST}}],
        },
        f"at most {SALE_BURST} at once and 6 a minute from one client",
    ),
    DemoRoute("/api/*", "fallback", {"methods": ["GET"]}, "GET only"),
)


def by_service(ports: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """The instances' ports, by service and then by instance name (`users-1`)."""
    services: dict[str, dict[str, int]] = {}
    for instance, port in ports.items():
        services.setdefault(instance.rpartition("-")[0], {})[instance] = port
    return services


def demo_configuration(host: str, port: int, admin_port: int, ports: Mapping[str, int]) -> dict[str, object]:
    """The configuration for services whose instances listen on `ports`."""
    return {
        "listen": {"host": host, "port": port},
        "admin": {"host": "127.0.0.1", "port": admin_port},
        "services": {
            name: {"endpoints": [f"http://127.0.0.1:{port}" for port in instances.values()]}
            for name, instances in by_service(ports).items()
        },
        "middleware": ["request_id", {"access_log": {"format": "human"}}],
        "routes": [{"path": route.path, "service": route.service, **route.options} for route in ROUTES],
        "drain_timeout": "2s",
    }
