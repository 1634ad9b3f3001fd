"""Building: the pipeline's order, services in this process, plugins, and refusals."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest

from api_gateway import (
    ApiGateway,
    BackendService,
    ConfigurationError,
    Endpoint,
    Handler,
    Observer,
    Request,
    RequestContext,
    Response,
    build_gateway,
)
from api_gateway.build_load_balancers import BALANCERS
from api_gateway.build_middleware import MIDDLEWARE
from api_gateway.build_services import TRANSPORTS
from api_gateway.build_tools import Tools
from api_gateway.config.load_balancer_schema import LoadBalancerConfig
from api_gateway.config.middleware_schema import MiddlewareEntry
from api_gateway.config.plugins import installed_plugins
from api_gateway.config.schema import GatewayConfig
from api_gateway.core.asgi import Receive, Scope, Send
from api_gateway.core.clock import ManualClock
from api_gateway.routing.router import Router
from api_gateway.transport.http1 import Http1Transport
from api_gateway.transport.httpx_transport import HttpxTransport
from api_gateway.transport.in_process import InProcessTransport

USERS_ROUTE = {"path": "/api/users/*", "service": "users", "strip_prefix": True}


async def users(request: Request, context: RequestContext) -> Response:
    return Response.json({"path": request.path})


def names(layers: tuple[object, ...]) -> list[str]:
    return [getattr(layer, "__name__", type(layer).__name__) for layer in layers]


async def get(gateway: ApiGateway, path: str) -> tuple[int, bytes]:
    response = await gateway.handle(Request("GET", path))
    return response.status, await response.read()


# The contract's example.


async def test_the_contracts_example_answers_with_the_stripped_path() -> None:
    gateway = build_gateway(
        {"routes": [{"path": "/api/users/*", "service": "users", "strip_prefix": True}]}, services={"users": users}
    )
    async with gateway:
        response = await gateway.handle(Request("GET", "/api/users/42", headers={"accept": "*/*"}, body=b""))
    assert response.status == 200
    assert response.header("content-type") == "application/json"
    assert json.loads(await response.read()) == {"path": "/42"}
    assert response.header("x-request-id")


async def test_a_path_without_a_route_is_404() -> None:
    gateway = build_gateway({"routes": [USERS_ROUTE]}, {"users": users})
    assert (await get(gateway, "/api/usersX"))[0] == 404


# The order.


def test_the_pipeline_has_its_order_whatever_the_order_of_the_list() -> None:
    gateway = build_gateway(
        {
            "limits": {"max_body": "1MiB"},
            "middleware": [{"deadline": "3s"}, "access_log", {"body_limit": "1KiB"}, "request_id"],
            "routes": [USERS_ROUTE],
        },
        {"users": users},
    )
    assert names(gateway.layers()) == [
        *(
            "MetricsMiddleware",
            "SecurityEventsMiddleware",
            "LoggingMiddleware",
            "RequestIdMiddleware",
            "error_boundary",
            "canonical_request",
        ),
        *("ForwardedMiddleware", "BodyLimitMiddleware", "DeadlineMiddleware", "BodyLimitMiddleware"),
    ]


def test_without_a_middleware_list_there_are_request_id_and_access_log() -> None:
    gateway = build_gateway({"routes": [USERS_ROUTE]}, {"users": users})
    assert names(gateway.layers()) == [
        *(
            "MetricsMiddleware",
            "SecurityEventsMiddleware",
            "RequestIdMiddleware",
            "LoggingMiddleware",
            "error_boundary",
            "canonical_request",
        ),
        "ForwardedMiddleware",
    ]


async def test_observers_see_a_refusal_with_its_final_status(caplog: pytest.LogCaptureFixture) -> None:
    gateway = build_gateway({"routes": [USERS_ROUTE]}, {"users": users})
    with caplog.at_level(logging.INFO, "api_gateway.access"):
        response = await gateway.handle(Request("GET", "/nothing"))
        await response.read()
    assert response.status == 404
    assert response.header("x-request-id")
    assert sum(record.name == "api_gateway.access" and "404" in record.getMessage() for record in caplog.records) == 1


async def test_a_routes_middleware_holds_for_that_route_only() -> None:
    gateway = build_gateway(
        {
            "routes": [
                {"path": "/small", "service": "users", "middleware": [{"body_limit": 3}]},
                {"path": "/big", "service": "users"},
            ]
        },
        {"users": users},
    )
    assert (await gateway.handle(Request("POST", "/small", body=b"1234"))).status == 413
    assert (await gateway.handle(Request("POST", "/big", body=b"1234"))).status == 200


async def test_the_body_limit_of_the_limits_holds_everywhere() -> None:
    gateway = build_gateway({"limits": {"max_body": 3}, "routes": [USERS_ROUTE]}, {"users": users})
    assert (await gateway.handle(Request("POST", "/api/users/1", body=b"1234"))).status == 413


async def test_the_random_source_makes_a_run_repeatable() -> None:
    async def request_id(seed: int) -> str | None:
        gateway = build_gateway({"routes": [USERS_ROUTE]}, {"users": users}, random=Random(seed))
        return (await gateway.handle(Request("GET", "/api/users/1"))).header("x-request-id")

    assert await request_id(1) == await request_id(1)
    assert await request_id(1) != await request_id(2)


def test_the_clock_is_the_one_that_was_given() -> None:
    clock = ManualClock()
    assert build_gateway({"routes": [USERS_ROUTE]}, {"users": users}, clock=clock).clock is clock


# Services in this process.


async def test_a_list_of_handlers_is_asked_in_turn() -> None:
    def instance(name: str) -> Handler:
        async def answer(request: Request, context: RequestContext) -> Response:
            return Response.text(f"{name} {context.endpoint}")

        return answer

    gateway = build_gateway({"routes": [USERS_ROUTE]}, {"users": [instance("a"), instance("b"), instance("c")]})
    answers = [(await get(gateway, "/api/users/1"))[1] for _ in range(4)]
    assert answers == [
        *(b"a in-process://users/0", b"b in-process://users/1", b"c in-process://users/2"),
        b"a in-process://users/0",
    ]


async def test_an_asgi_application_streams_chunk_by_chunk() -> None:
    taken = asyncio.Event()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["path"] == "/events"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await taken.wait()
        await send({"type": "http.response.body", "body": b"second", "more_body": True})
        await asyncio.Event().wait()  # endless

    gateway = build_gateway({"routes": [USERS_ROUTE]}, {"users": application})
    response = await gateway.handle(Request("GET", "/api/users/events"))
    chunks: AsyncIterator[bytes] = response.stream()
    assert await anext(chunks) == b"first"
    taken.set()
    assert await anext(chunks) == b"second"
    await response.close()


async def test_objects_are_told_apart_by_what_their_call_takes() -> None:
    class Service:
        async def __call__(self, request: Request, context: RequestContext) -> Response:
            return Response.text("handler")

    class Application:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"application"})

    gateway = build_gateway({"routes": [USERS_ROUTE]}, {"users": [Service(), Application()]})
    assert [(await get(gateway, "/api/users/1"))[1] for _ in range(2)] == [b"handler", b"application"]


async def test_a_ready_service_is_taken_as_it_is() -> None:
    service = BackendService("users", [Endpoint("x:")], InProcessTransport({"x:": users}))
    gateway = build_gateway({"routes": [USERS_ROUTE]}, {"users": service})
    assert gateway.services["users"] is service
    assert (await get(gateway, "/api/users/1"))[0] == 200


@pytest.mark.parametrize("value", [5, None, "http://h:1", [5], [], lambda: None, str.upper])
def test_what_cannot_answer_is_refused_as_a_service(value: object) -> None:
    with pytest.raises(ConfigurationError, match=r"services\['users'\]: "):
        build_gateway({"routes": [USERS_ROUTE]}, {"users": value})


# Services behind sockets.


def test_a_configured_service_has_its_endpoints_transport_and_balancer() -> None:
    gateway = build_gateway(
        {
            "services": {
                "a": {"endpoints": ["http://h:1", {"url": "http://h:2", "weight": 5}]},
                "b": {"endpoints": ["http://h:3"], "transport": "httpx"},
            },
            "routes": [{"path": "/a", "service": "a"}, {"path": "/b", "service": "b"}],
        }
    )
    a, b = gateway.services["a"], gateway.services["b"]
    assert isinstance(a, BackendService)
    assert isinstance(b, BackendService)
    assert [(endpoint.url, endpoint.weight) for endpoint in a.endpoints] == [("http://h:1", 1), ("http://h:2", 5)]
    assert isinstance(a._transport, Http1Transport)
    assert isinstance(b._transport, HttpxTransport)


def test_the_tables_and_the_schema_have_the_same_names() -> None:
    definitions = GatewayConfig.model_json_schema()["$defs"]
    assert set(MIDDLEWARE) == set(MiddlewareEntry.model_fields)
    assert set(TRANSPORTS) == set(definitions["ServiceConfig"]["properties"]["transport"]["enum"])
    assert set(BALANCERS) == set(LoadBalancerConfig.model_fields)


# Refusals.


def test_every_mistake_is_reported_with_its_key_path() -> None:
    with pytest.raises(ConfigurationError) as caught:
        build_gateway({"routes": [{**USERS_ROUTE, "servce": "x"}, {"path": "/b", "service": "nope"}]}, {"users": users})
    assert sorted(str(caught.value).splitlines()) == [
        "routes[0].servce: unknown key 'servce'; did you mean 'service'?",
        "routes[1].service: service 'nope' is not defined; define it under 'services'; defined are: users",
    ]


def test_a_service_given_in_both_places_is_refused() -> None:
    config = {"services": {"users": {"endpoints": ["http://h:1"]}}, "routes": [USERS_ROUTE]}
    with pytest.raises(ConfigurationError, match=r"services\.users: service 'users' is given in the configuration and"):
        build_gateway(config, {"users": users})


def test_a_checked_configuration_is_built_and_checked_against_the_services() -> None:
    config = GatewayConfig.model_validate({"routes": [USERS_ROUTE]})
    assert isinstance(build_gateway(config, {"users": users}).router, Router)
    with pytest.raises(ConfigurationError, match=r"routes\[0\].service: service 'users' is not defined"):
        build_gateway(config)


# Plugins.


class Stamp:
    """A middleware that another package brings."""

    def __init__(self, text: str) -> None:
        self.text = text

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        response = await call_next(request, context)
        response.headers = response.headers.adding("x-stamp", self.text)
        return response


def stamp(options: object, tools: Tools) -> Stamp:
    if not isinstance(options, Mapping) or not isinstance(options.get("text"), str):
        raise ConfigurationError("needs a text")
    assert isinstance(tools.random, Random)
    return Stamp(options["text"])


async def test_middleware_can_be_given_as_an_argument() -> None:
    config = {
        "middleware": [{"stamp": {"text": "outer"}}],
        "routes": [{**USERS_ROUTE, "middleware": [{"stamp": {"text": "inner"}}]}],
    }
    gateway = build_gateway(config, {"users": users}, middleware={"stamp": stamp})
    response = await gateway.handle(Request("GET", "/api/users/1"))
    assert response.headers.get_all("x-stamp") == ["inner", "outer"]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package that offers two plugins, of which one cannot be loaded."""
    metadata = tmp_path / "acme-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    points = ["[api_gateway.plugins]", "stamp = acme_stamp:make", "broken = acme_is_not_here:make"]
    (metadata / "entry_points.txt").write_text("\n".join(points))
    module = ModuleType("acme_stamp")
    module.__dict__["make"] = stamp
    monkeypatch.setitem(sys.modules, "acme_stamp", module)
    monkeypatch.syspath_prepend(tmp_path)
    installed_plugins.cache_clear()
    yield
    installed_plugins.cache_clear()


@pytest.mark.usefixtures("installed")
async def test_middleware_can_come_from_an_installed_package() -> None:
    gateway = build_gateway({"middleware": [{"stamp": {"text": "x"}}], "routes": [USERS_ROUTE]}, {"users": users})
    assert (await gateway.handle(Request("GET", "/api/users/1"))).header("x-stamp") == "x"


@pytest.mark.usefixtures("installed")
def test_a_plugin_that_cannot_be_loaded_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match=r"^middleware\[0\]: the plugin broken cannot be loaded: Module"):
        build_gateway({"middleware": ["broken"], "routes": [USERS_ROUTE]}, {"users": users})


def test_a_plugins_own_refusal_has_the_place_of_its_entry() -> None:
    with pytest.raises(ConfigurationError, match=r"^middleware\[0\]: stamp: needs a text; correct its options$"):
        build_gateway({"middleware": ["stamp"], "routes": [USERS_ROUTE]}, {"users": users}, middleware={"stamp": stamp})


def test_a_plugin_cannot_take_a_built_in_name() -> None:
    with pytest.raises(ConfigurationError, match="cannot take the name of the built-in middleware 'deadline'"):
        build_gateway({"routes": [USERS_ROUTE]}, {"users": users}, middleware={"deadline": stamp})


def test_an_observer_cannot_stand_on_a_route() -> None:
    class Watcher(Observer):
        async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
            return await call_next(request, context)

    config: dict[str, Any] = {"routes": [{**USERS_ROUTE, "middleware": ["watcher"]}]}
    with pytest.raises(ConfigurationError, match=r"routes\[0\].middleware\[0\]: watcher watches every request"):
        build_gateway(config, {"users": users}, middleware={"watcher": lambda *_: Watcher()})
