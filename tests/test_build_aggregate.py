"""Aggregates behind a gateway: the seeds' order details, and one dashboard in a shape for each client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from random import Random

import pytest
import yaml

from api_gateway import (
    ApiGateway,
    BackendService,
    Endpoint,
    Handler,
    Request,
    RequestContext,
    Response,
    Route,
    Router,
)
from api_gateway.backend.aggregator import METHODS, Aggregator
from api_gateway.build_aggregate import aggregator
from api_gateway.build_rate_limits import RateLimits
from api_gateway.build_tools import Tools
from api_gateway.config.aggregate_schema import AggregateConfig, PartConfig, service_name
from api_gateway.config.schema import GatewayConfig
from api_gateway.core.clock import Clock
from api_gateway.core.errors import ConfigurationError
from api_gateway.core.identity import Identity
from api_gateway.core.middleware import Middleware
from api_gateway.routing.route import Pattern
from api_gateway.simulation import VirtualClock, run
from api_gateway.transport.in_process import InProcessTransport
from tests.support.aggregates import DATA, ORDER_DETAILS, ORDER_DETAILS_SHAPE, Shop

DASHBOARDS = """
- path: /api/dashboard
  headers: {x-client: mobile}
  aggregate:
    profile: &profile {service: users, path: "/users/{identity.subject}"}
    orders: &orders {service: orders, path: "/orders?user_id={identity.subject}"}
    notifications: {service: notifications, path: "/notifications/{identity.subject}", optional: true, timeout: 300ms}
  response: >-
    {user: {name: profile.name, avatar: profile.avatar_small},
     orders: orders[:3].{id: id, total: total, status: status},
     notifications: notifications[:5].{id: id, message: message, unread: unread}}
- path: /api/dashboard
  headers: {x-client: iot}
  aggregate:
    orders: *orders
  response: "{open: length(orders[?status=='open'])}"
- path: /api/dashboard
  hosts: [www.shop.example]
  aggregate:
    profile: *profile
    orders: *orders
    recommendations:
      <<: *profile
      service: products
      path: "/recommendations?for={identity.subject}&like={profile.favourite}"
  response: "{user: profile, orders: orders, recommendations: recommendations}"
"""

PROFILE = {"id": 3, "name": "Ann", "avatar_small": "s.png", "avatar_large": "l.png", "favourite": "cups & pots"}
ORDERS = [{"id": n, "total": 10 * n, "status": "open" if n % 2 else "paid", "items": [1] * n} for n in range(1, 7)]
NOTICES = [{"id": n, "message": f"m{n}", "unread": True, "body": "long"} for n in range(8)]

SHOP = {
    "/users/3": PROFILE,
    "/orders?user_id=3": ORDERS,
    "/notifications/3": NOTICES,
    "/recommendations?for=3&like=cups%20%26%20pots": ["Pan"],
}


class _SignedIn:
    """Everybody is user 3."""

    def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Awaitable[Response]:
        context.identity = Identity("3", "jwt")
        return call_next(request, context)


def tools_for(services: Mapping[str, Handler], clock: Clock) -> Tools:
    config = GatewayConfig.model_validate({"routes": []})
    limits = RateLimits(config, lambda _: "", clock)
    return Tools(clock, Random(0), limits, services, [])


def gateway_of(routes: list[dict[str, object]], shop: Shop, middleware: list[Middleware] | None = None) -> ApiGateway:
    """What `build_gateway` makes of such routes, with one Handler as every service."""
    clock = VirtualClock()
    services: dict[str, Handler] = {}
    tools = tools_for(services, clock)
    made = []
    for index, written in enumerate(routes):
        keys = {**written}
        path = str(keys.pop("path"))
        parts = keys.pop("aggregate")
        assert isinstance(parts, dict)
        shape = keys.pop("response", None)
        assert shape is None or isinstance(shape, str)
        config = AggregateConfig({name: PartConfig.model_validate(part) for name, part in parts.items()}, shape)
        parameters = Pattern.parse(path).parameters
        assert not [*config.check(("routes", index), parameters, ())]
        name = service_name(path, index)
        services[name] = aggregator(path, config, parameters, tools)
        for part in config.parts.values():
            transport = InProcessTransport({"http://x": shop})
            services[part.service] = BackendService(part.service, [Endpoint("http://x")], transport, clock=clock)
        made.append(Route(path, name, methods=METHODS, **keys))  # type: ignore[arg-type]  # as YAML has it
    return ApiGateway(Router(made), services, middleware or [], clock=clock)


def ask(routes: object, shop: Shop, request: Request) -> tuple[Response, float]:
    async def main() -> tuple[Response, float]:
        assert isinstance(routes, list)
        async with gateway_of(routes, shop, [_SignedIn()]) as gateway:
            response = await gateway.handle(request)
            await response.read()
            return response, asyncio.get_running_loop().time()

    return run(main)


def dashboard(shop: Shop, **headers: str) -> tuple[Response, float]:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(yaml.safe_load(DASHBOARDS), shop, Request("GET", "/api/dashboard", {"host": "api.example", **names}))


def body_of(response: Response) -> object:
    assert isinstance(response.body, bytes)
    return yaml.safe_load(response.body)


def test_order_details_are_one_answer_through_the_whole_gateway() -> None:
    routes = [{"path": "/api/order-details/{id}", "aggregate": ORDER_DETAILS, "response": ORDER_DETAILS_SHAPE}]
    response, seconds = ask(routes, Shop(DATA), Request("GET", "/api/order-details/7"))
    assert response.status == 200
    assert body_of(response) == {"order": DATA["/orders/7"], "customer": "Ann", "products": ["Cup", "Pot", "Cup"]}
    assert seconds == pytest.approx(0.4)


def test_a_path_parameter_that_tries_to_climb_stays_one_segment() -> None:
    routes = [{"path": "/api/order-details/{id}", "aggregate": ORDER_DETAILS}]
    shop = Shop({})
    ask(routes, shop, Request("GET", "/api/order-details/7%2Fitems%3Fall=1"))
    assert shop.asked == ["/orders/7%2Fitems%3Fall%3D1"]


def test_a_mobile_client_gets_three_orders_and_a_small_avatar() -> None:
    response, seconds = dashboard(Shop(SHOP), x_client="mobile")
    assert body_of(response) == {
        "user": {"name": "Ann", "avatar": "s.png"},
        "orders": [{"id": n, "total": 10 * n, "status": "open" if n % 2 else "paid"} for n in (1, 2, 3)],
        "notifications": [{"id": n, "message": f"m{n}", "unread": True} for n in range(5)],
    }
    assert seconds == pytest.approx(0.2)
    assert response.header("cache-control") == "private"


def test_the_web_gets_everything() -> None:
    response, seconds = dashboard(Shop(SHOP), host="www.shop.example")
    assert body_of(response) == {"user": PROFILE, "orders": ORDERS, "recommendations": ["Pan"]}
    assert seconds == pytest.approx(0.4)  # what is recommended depends on the profile


def test_a_thing_gets_a_number_and_costs_one_call() -> None:
    shop = Shop(SHOP)
    assert body_of(dashboard(shop, x_client="iot")[0]) == {"open": 3}
    assert shop.asked == ["/orders?user_id=3"]


def test_a_dashboard_without_notifications_is_still_a_dashboard() -> None:
    response, seconds = dashboard(Shop(SHOP, delays={"/notifications/3": 60.0}), x_client="mobile")
    body = body_of(response)
    assert isinstance(body, dict)
    assert (response.status, body["notifications"]) == (200, None)
    assert response.header("x-partial-response") == "notifications"
    assert seconds == pytest.approx(0.3)


def test_a_post_is_405_with_what_is_allowed() -> None:
    routes = [{"path": "/api/order-details/{id}", "aggregate": ORDER_DETAILS}]
    response, _ = ask(routes, Shop(DATA), Request("POST", "/api/order-details/7"))
    assert (response.status, response.header("allow")) == (405, "GET, HEAD")


def test_a_service_may_be_made_after_the_aggregate_that_asks_it() -> None:
    async def main() -> int:
        services: dict[str, Handler] = {}
        config = AggregateConfig({"a": PartConfig.model_validate({"service": "later", "path": "/a"})})
        made = aggregator("/x", config, (), tools_for(services, VirtualClock()))
        assert isinstance(made, Aggregator)
        services["later"] = Shop({"/a": 1})
        return (await made(Request("GET", "/x"), RequestContext())).status

    assert run(main) == 200


def test_parts_that_do_not_fit_together_are_no_aggregate() -> None:
    async def main() -> None:
        config = AggregateConfig({"a": PartConfig.model_validate({"service": "s", "path": "/{b}"})})
        with pytest.raises(ConfigurationError, match="part a: there is no part and no path parameter 'b'"):
            aggregator("/x", config, (), tools_for({}, VirtualClock()))

    run(main)
