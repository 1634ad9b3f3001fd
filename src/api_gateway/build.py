"""Build: configuration in, objects out. THE pipeline order is stated here, and only here.

The life of a request, outermost layer first:

    metrics                      always first: counts whatever happens
    request_id, access_log ...   observers, as configured: they see final statuses
    ------------------------     error boundary, canonical request (core/api_gateway.py)
    forwarded                    who the client is; what the service is told of it
    body limit                   limits.max_body, if given
    middleware                   the configured policies, in their order
    ------------------------     router
    route's middleware           in its order
    path and host changes        strip_prefix, rewrite, host
    ------------------------     service
    load balancer -> transport

Four tables map the names of the configuration to factories: MIDDLEWARE and TRANSPORTS here, BALANCERS in
`build_load_balancers.py`, LIMITERS in `rate_limiting/limiters.py`. Others add middleware by the argument
`middleware`, or by an entry point (`config/plugins.py`).

What it does not do: serve. Building opens no connection and starts no task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import TypeAlias, cast

from api_gateway.backend.backend_service import BackendService
from api_gateway.backend.endpoint import Endpoint
from api_gateway.build_load_balancers import BALANCERS
from api_gateway.build_rate_limits import RateLimits
from api_gateway.build_services import in_process_service
from api_gateway.config.middleware_schema import AccessLogOptions, MiddlewareEntry
from api_gateway.config.plugins import installed_plugins
from api_gateway.config.problems import Finding, Path, unplaced
from api_gateway.config.rate_limit_schema import RateLimitOptions
from api_gateway.config.route_schema import RouteConfig, make_route
from api_gateway.config.schema import GatewayConfig
from api_gateway.config.service_schema import ServiceConfig
from api_gateway.config.validate import check, validate
from api_gateway.core.api_gateway import ApiGateway
from api_gateway.core.clock import Clock, SystemClock
from api_gateway.core.errors import ConfigurationError
from api_gateway.core.middleware import Handler, Middleware, Observer
from api_gateway.middleware.body_limit import BodyLimitMiddleware
from api_gateway.middleware.deadline import DeadlineMiddleware
from api_gateway.middleware.forwarded import ForwardedMiddleware
from api_gateway.middleware.logging_middleware import LoggingMiddleware
from api_gateway.middleware.metrics import MetricsMiddleware
from api_gateway.middleware.request_id import RequestIdMiddleware
from api_gateway.routing.route import Route
from api_gateway.routing.router import Router
from api_gateway.transport.http1 import Http1Transport
from api_gateway.transport.httpx_transport import HttpxTransport
from api_gateway.transport.transport import Timeouts, Transport


@dataclass(frozen=True, slots=True)
class Tools:
    """What a factory may need beside its options."""

    clock: Clock
    random: Random
    rate_limits: RateLimits


MiddlewareFactory: TypeAlias = Callable[[object, Tools], Middleware]
"""Makes a middleware of its options; raises ConfigurationError where they are wrong."""


def _request_id(_: object, tools: Tools) -> Middleware:
    return RequestIdMiddleware(tools.random)


def _access_log(options: object, tools: Tools) -> Middleware:
    assert isinstance(options, AccessLogOptions)
    return LoggingMiddleware(options.format, tools.clock)


def _body_limit(options: object, _: Tools) -> Middleware:
    assert isinstance(options, int)
    return BodyLimitMiddleware(options)


def _deadline(options: object, tools: Tools) -> Middleware:
    assert isinstance(options, float)
    return DeadlineMiddleware(options, tools.clock)


def _rate_limit(options: object, tools: Tools) -> Middleware:
    assert isinstance(options, RateLimitOptions)
    return tools.rate_limits.middleware(options)


MIDDLEWARE: Mapping[str, MiddlewareFactory] = {
    "request_id": _request_id,
    "access_log": _access_log,
    "body_limit": _body_limit,
    "deadline": _deadline,
    "rate_limit": _rate_limit,
}

TRANSPORTS: Mapping[str, Callable[[Timeouts], Transport]] = {
    "http1": Http1Transport,
    "httpx": HttpxTransport,
}


def build_gateway(
    config: Mapping[str, object] | GatewayConfig,
    services: Mapping[str, object] = {},
    *,
    clock: Clock | None = None,
    random: Random | None = None,
    middleware: Mapping[str, MiddlewareFactory] = {},
) -> ApiGateway:
    """The gateway that `config` describes.

    Args:
        config: a checked configuration, or the same as plain dictionaries and lists.
        services: services in this process, by name. Each is a Handler, an ASGI 3 application, a
            list of these (one endpoint each), or a `BackendService`.
        clock: tells the time to every part; the system's unless given.
        random: makes ids and draws endpoints; a seeded one makes a run repeatable.
        middleware: factories for further names in `middleware` lists.

    Raises:
        ConfigurationError: everything that is wrong, one problem a line, each with its key path.
    """
    factories = _all_factories(middleware)
    checked = _checked(config, services, middleware)
    clock = clock or SystemClock()
    rate_limits = RateLimits(checked, lambda request: router.match(request).route.name, clock)
    tools = Tools(clock, random or Random(), rate_limits)

    def layers(entries: Iterable[MiddlewareEntry], path: Path) -> list[Middleware]:
        return [_layer(entry, factories, tools, (*path, index)) for index, entry in enumerate(entries)]

    # ApiGateway takes the observers out of this list to the front, keeping their order.
    metrics = MetricsMiddleware(clock=tools.clock)
    metrics.registry.register(rate_limits.metrics)
    pipeline: list[Middleware] = [
        metrics,
        ForwardedMiddleware(checked.trusted_proxies),
        *([BodyLimitMiddleware(checked.limits.max_body)] if checked.limits.max_body else []),
        *layers(checked.middleware, ("middleware",)),
    ]
    routes = [
        _route(route, layers(route.middleware, ("routes", index, "middleware")), index)
        for index, route in enumerate(checked.routes)
    ]
    backends: dict[str, Handler] = {
        **{name: _service(name, service, tools) for name, service in checked.services.items()},
        **{name: in_process_service(name, value, tools.clock) for name, value in services.items()},
    }
    router = Router(routes)
    return ApiGateway(router, backends, pipeline, clock=tools.clock, resources=rate_limits.stores)


def _checked(
    config: Mapping[str, object] | GatewayConfig, services: Mapping[str, object], plugins: Mapping[str, object]
) -> GatewayConfig:
    checked: GatewayConfig | None
    if isinstance(config, GatewayConfig):
        checked, findings = config, check(config, provided=services)
    else:
        checked, findings = validate(config, provided=services, plugins=plugins)
    if findings or checked is None:
        raise unplaced(findings)
    return checked


def _all_factories(middleware: Mapping[str, MiddlewareFactory]) -> Mapping[str, MiddlewareFactory | None]:
    """Every name a middleware list may hold; None for an installed plugin, loaded when it is used."""
    installed: dict[str, MiddlewareFactory | None] = dict.fromkeys(installed_plugins())
    for name in [*installed, *middleware]:
        if name in MIDDLEWARE:
            raise ConfigurationError(f"a plugin cannot take the name of the built-in middleware {name!r}")
    return {**installed, **middleware, **MIDDLEWARE}


def _layer(
    entry: MiddlewareEntry, factories: Mapping[str, MiddlewareFactory | None], tools: Tools, path: Path
) -> Middleware:
    factory = factories.get(entry.name) or _installed(entry.name, path)
    try:
        return factory(entry.options, tools)
    except ConfigurationError as error:
        raise unplaced([Finding(path, f"{entry.name}: {error}", "correct its options")]) from None


def _installed(name: str, path: Path) -> MiddlewareFactory:
    try:
        return cast(MiddlewareFactory, installed_plugins()[name].load())
    except Exception as error:  # another package's code: whatever it raises, it is not there
        raise unplaced([Finding(path, f"the plugin {name} cannot be loaded: {error!r}", "install it")]) from error


def _route(config: RouteConfig, middleware: list[Middleware], index: int) -> Route:
    for position, layer in enumerate(middleware):
        if isinstance(layer, Observer):
            cause = f"{config.middleware[position].name} watches every request and cannot stand on a route"
            path = ("routes", index, "middleware", position)
            raise unplaced([Finding(path, cause, "move it to the 'middleware' list at the top")])
    return make_route(config, middleware)


def _service(name: str, config: ServiceConfig, tools: Tools) -> BackendService:
    timeout, balancer = config.timeout, config.load_balancer
    return BackendService(
        name,
        [Endpoint(endpoint.url, endpoint.weight) for endpoint in config.endpoints],
        TRANSPORTS[config.transport](Timeouts(timeout.connect, timeout.request, timeout.idle)),
        BALANCERS[balancer.name](balancer, tools.clock, tools.random),
        clock=tools.clock,
    )
