"""Configuration: the demo's gateway, in the words of a configuration file.

`examples/demo.yaml` says the same with fixed ports; a test keeps the two alike.

Rule: the fallback takes GET only, like payments. If it took any method, a POST to
`/api/payments/42` would be its own instead of a 405, because the router goes on to the next
specific path when a method does not fit. For the same reason the routes that ask who is calling
take any method, and one of them is `/api/me/*`, with its tail: nothing below falls through to a
route that does not ask.

What it does not do: hold a secret that is worth keeping (`accounts.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

DEADLINE = 2.0
"""Seconds that a client waits at most for `/api/reviews/slow`."""
SALE_BURST = 3
"""Requests that a client may send to `/api/products/sale` at once; later ones, six a minute."""
KEPT = 10
"""Seconds for which an answer of the reviews may be used again."""
CHECKOUT = "checkout"
"""A service that is there only where its example is (`checkout.py`)."""
PROVIDER = "identity"
"""The identity provider, as a service. No route leads to it: the gateway asks it, clients do so directly."""
AUDIENCE = "shop"
"""Whom its tokens are for."""
ORDERS_SCOPE = "orders:read"
KEY_OWNER = "warehouse"
"""Whose API key it is."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who proves itself to the identity provider by an id and a secret."""

    id: str
    secret: str


ROBOT = Client("robot", "robot-secret")
GATEWAY = Client("gateway", "gateway-secret")


AGGREGATE = "aggregate"
"""Stands for the service of a route whose answer several make together."""

_ORDER_DETAILS = {
    "order": {"service": "orders", "path": "/{id}"},
    "customer": {"service": "users", "path": "/{order.user_id}"},
    "payment": {"service": "payments", "path": "/{id}"},
    "shipment": {"service": "shipping", "path": "/{id}", "optional": True, "timeout": "1s"},
    "products": {"service": "products", "path": "/{item.product_id}", "for_each": "order.items"},
}
_ORDER_SHAPE = (
    "{order: order.id, placed_on: order.placed_on, customer: customer.name, total_cents: order.total_cents, "
    "payment: payment.status, parcel: shipment.status, products: products[*].title}"
)
_DASHBOARD = {
    "user": {"service": "users", "path": "/{id}"},
    "orders": {"service": "orders", "path": "/?user_id={id}"},
}
_SMALL_DASHBOARD = (
    "{name: user.name, avatar: user.avatars.small, "
    "orders: reverse(orders)[:3].{id: id, placed_on: placed_on, total_cents: total_cents}}"
)


@dataclass(frozen=True, slots=True)
class DemoRoute:
    """One route, and what is special about it, in words."""

    path: str
    service: str
    """Who answers; `AGGREGATE` if several do."""
    options: Mapping[str, object] = field(default_factory=dict)
    remark: str = ""
    middleware: Sequence[Mapping[str, object]] = ()
    asks_who: bool = False
    """Whether only known callers get in."""


ROUTES = (
    DemoRoute("/api/users/*", "users", {"strip_prefix": True}),
    DemoRoute("/api/orders/*", "orders", {"strip_prefix": True}),
    DemoRoute("/api/payments/*", "payments", {"strip_prefix": True, "methods": ["GET"]}, "GET only"),
    DemoRoute("/api/products/*", "products", {"strip_prefix": True}),
    DemoRoute("/api/shipments/*", "shipping", {"strip_prefix": True}),
    DemoRoute(
        "/api/reviews/*",
        "reviews",
        {"strip_prefix": True},
        middleware=[{"cache": {"max_size": "8MiB"}}],
    ),
    DemoRoute(
        "/api/reviews/slow",
        "reviews",
        {"rewrite": "/slow"},
        f"the same, with a deadline of {DEADLINE:g} s",
        [{"deadline": f"{DEADLINE:g}s"}],
    ),
    DemoRoute(
        "/api/products/sale",
        "products",
        {"rewrite": "/"},
        f"at most {SALE_BURST} at once and 6 a minute from one client",
        [{"rate_limit": {"name": "sale", "algorithm": "gcra", "rate": "6/min", "burst": SALE_BURST}}],
    ),
    DemoRoute(
        "/api/order-details/{id}",
        AGGREGATE,
        {"aggregate": _ORDER_DETAILS, "response": _ORDER_SHAPE},
        "of orders users payments shipping products",
    ),
    DemoRoute(
        "/api/dashboard/{id}", AGGREGATE, {"aggregate": _DASHBOARD}, "of users orders; less for x-client: mobile"
    ),
    DemoRoute(
        "/api/dashboard/{id}",
        AGGREGATE,
        {
            "name": "dashboard for phones",
            "headers": {"x-client": "mobile"},
            "aggregate": _DASHBOARD,
            "response": _SMALL_DASHBOARD,
        },
    ),
    DemoRoute("/api/me/*", "fallback", remark="key or token", asks_who=True),
    DemoRoute(
        "/api/me/orders/*",
        "orders",
        {"strip_prefix": True},
        f"the same, and the scope {ORDERS_SCOPE}",
        [{"authorize": {"scopes": [ORDERS_SCOPE]}}],
        asks_who=True,
    ),
    DemoRoute("/api/checkout/*", CHECKOUT, {"strip_prefix": True}, "key or token", asks_who=True),
    DemoRoute("/api/*", "fallback", {"methods": ["GET"]}, "GET only"),
)


def routes(ports: Mapping[str, int]) -> list[DemoRoute]:
    """Those whose services are there."""
    services = {AGGREGATE, *by_service(ports)}
    return [route for route in ROUTES if route.service in services]


def by_service(ports: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """The instances' ports, by service and then by instance name (`users-1`)."""
    services: dict[str, dict[str, int]] = {}
    for instance, port in ports.items():
        services.setdefault(instance.rpartition("-")[0], {})[instance] = port
    return services


def provider_url(ports: Mapping[str, int]) -> str:
    """Where the identity provider is, which is also the issuer that its tokens name."""
    return f"http://127.0.0.1:{ports[f'{PROVIDER}-1']}"


def demo_configuration(
    host: str, port: int, admin_port: int, ports: Mapping[str, int], keys_file: Path
) -> dict[str, object]:
    """The configuration for instances that listen on `ports`, and for the API keys in `keys_file`."""
    who = _who_is_calling(provider_url(ports), keys_file)
    return {
        "listen": {"host": host, "port": port},
        "admin": {"host": "127.0.0.1", "port": admin_port},
        "services": {
            name: {
                "endpoints": [f"http://127.0.0.1:{port}" for port in instances.values()],
                **_OF_SERVICE.get(name, {}),
            }
            for name, instances in by_service(ports).items()
        },
        "middleware": ["request_id", {"access_log": {"format": "human"}}],
        "routes": [
            {
                "path": route.path,
                **({} if route.service == AGGREGATE else {"service": route.service}),
                **route.options,
                "middleware": [who, *route.middleware] if route.asks_who else [*route.middleware],
            }
            for route in routes(ports)
        ],
        "drain_timeout": "2s",
    }


_OF_SERVICE: Mapping[str, Mapping[str, object]] = {PROVIDER: {"circuit_breaker": {"open_for": "2s"}}}


def _who_is_calling(issuer: str, keys_file: Path) -> dict[str, object]:
    """Three ways to prove it. An answer of the provider is kept for a second only, so that an outage shows at once."""
    tokens = {"issuer": issuer, "audience": AUDIENCE, "service": PROVIDER}
    asked = {
        "path": "/introspect",
        "client_id": GATEWAY.id,
        "client_secret": GATEWAY.secret,
        "cache": "1s",
        "when_down": {"read": "admit_cached", "write": "refuse"},
    }
    ways = [
        {"api_key": {"header": "X-API-Key", "keys_file": str(keys_file)}},
        {"jwt": {**tokens, "jwks_path": "/jwks", "algorithms": ["ES256"]}},
        {"introspection": {**tokens, **asked}},
    ]
    return {"auth": {"any_of": ways}}
