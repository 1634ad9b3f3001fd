"""Build: configuration in, objects out. THE pipeline order is stated here, and only here.

The life of a request, outermost layer first:

    metrics                      always first: counts whatever happens
    security events              always: writes down what was refused
    request_id, access_log ...   observers, as configured: they see final statuses
    ------------------------     error boundary, canonical request (core/api_gateway.py)
    forwarded                    who the client is; what the service is told of it
    body limit                   limits.max_body, if given
    middleware                   the configured policies, in their order
    ------------------------     router
    route's middleware           in its order
    path and host changes        strip_prefix, rewrite, host
    ------------------------     service: of these what its configuration asks for
    fallback                     stands in for what is left when all the rest is done
    retry                        outside the breaker, which so counts every try
    hedge                        each of two calls is a call to the breaker, too
    throttle, circuit breaker    before a place is taken: a refusal must cost nothing
    concurrency                  places, and the queue for them
    remaining deadline           last, when all waiting of ours is over
    ------------------------     one of the healthy endpoints
    load balancer -> transport

Tables map the names of the configuration to factories: MIDDLEWARE (`build_middleware.py`), BALANCERS and TRANSPORTS
(`build_load_balancers.py`, `build_services.py`), LIMITERS (`rate_limiting/limiters.py`). Others add middleware by the
argument `middleware`, or by an entry point (`config/plugins.py`).

What it does not do: serve. Building opens no connection and starts no task.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from random import Random
from typing import cast

from api_gateway.backend.backend_service import BackendService
from api_gateway.build_aggregate import aggregator
from api_gateway.build_concurrency import bulkhead
from api_gateway.build_metrics import show_in
from api_gateway.build_middleware import MIDDLEWARE
from api_gateway.build_rate_limits import RateLimits
from api_gateway.build_resilience import (
    circuit_breaker,
    fallback,
    hedge,
    retry,
    throttle,
)
from api_gateway.build_services import behind_sockets, build_service, in_process
from api_gateway.build_tools import MiddlewareFactory, Tools
from api_gateway.config.aggregate_schema import service_name
from api_gateway.config.middleware_schema import MiddlewareEntry
from api_gateway.config.plugins import installed_plugins
from api_gateway.config.problems import Finding, Path, unplaced
from api_gateway.config.route_schema import RouteConfig, make_route
from api_gateway.config.schema import GatewayConfig
from api_gateway.config.service_schema import ServiceConfig
from api_gateway.config.validate import check, validate
from api_gateway.core.api_gateway import ApiGateway
from api_gateway.core.clock import Clock, SystemClock
from api_gateway.core.errors import ConfigurationError
from api_gateway.core.middleware import Handler, Middleware, Observer
from api_gateway.core.security_events import SecurityEvents
from api_gateway.middleware.body_limit import BodyLimitMiddleware
from api_gateway.middleware.cache.warming import CacheWarming
from api_gateway.middleware.forwarded import ForwardedMiddleware
from api_gateway.middleware.metrics.metrics_middleware import MetricsMiddleware
from api_gateway.middleware.metrics.security import SecurityMetrics
from api_gateway.middleware.remaining_deadline import RemainingDeadlineMiddleware
from api_gateway.middleware.security_events import SecurityEventsMiddleware
from api_gateway.routing.route import Route
from api_gateway.routing.router import Router


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
    backends: dict[str, Handler] = {}
    chosen_by = {name.lower() for route in checked.routes for name in route.headers}
    tools = Tools(clock, random or Random(), rate_limits, backends, [], tuple(sorted(chosen_by)))

    def layers(entries: Iterable[MiddlewareEntry], path: Path) -> list[Middleware]:
        return [_layer(entry, factories, tools, (*path, index)) for index, entry in enumerate(entries)]

    # ApiGateway takes the observers out of this list to the front, keeping their order.
    metrics = MetricsMiddleware(clock=clock)
    events = SecurityEvents(clock)
    for collector in (rate_limits.metrics, tools.key_sets, tools.introspections, SecurityMetrics(events)):
        metrics.registry.register(collector)
    tools.resources.append(events)
    pipeline: list[Middleware] = [
        metrics,
        SecurityEventsMiddleware(events),
        ForwardedMiddleware(checked.trusted_proxies),
        *([BodyLimitMiddleware(checked.limits.max_body)] if checked.limits.max_body else []),
        *layers(checked.middleware, ("middleware",)),
    ]
    routes = [
        _route(route, layers(route.middleware, ("routes", index, "middleware")), index)
        for index, route in enumerate(checked.routes)
    ]
    for name in dict.fromkeys([*checked.services, *services]):
        backends[name] = _service(name, checked.services.get(name), services.get(name), tools)
    for index, route in enumerate(routes):
        composition = checked.routes[index].composition
        if composition is not None:
            backends[route.service] = aggregator(route.name, composition, route.pattern.parameters, tools)
    router = Router(routes)
    lists = {"gateway": pipeline, **{f"route {route.name}": route.middleware for route in routes}}
    providers = [resource for resource in tools.resources if isinstance(resource, BackendService)]
    show_in(metrics.registry, lists, [*backends.values(), *providers], clock)
    warm = [url for entry in _entries(checked) if entry.cache is not None for url in entry.cache.warm]
    if warm:
        tools.resources.append(CacheWarming(lambda request, context: gateway.handle(request, context), warm, clock))
    gateway = ApiGateway(router, backends, pipeline, clock=clock, resources=[*rate_limits.stores, *tools.resources])
    return gateway


def _entries(config: GatewayConfig) -> Iterator[MiddlewareEntry]:
    yield from config.middleware
    for route in config.routes:
        yield from route.middleware


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
    return make_route(config, middleware, service_name(config.name or config.path, index))


def _service(name: str, config: ServiceConfig | None, given: object, tools: Tools) -> BackendService:
    if isinstance(given, BackendService):
        if config is not None:
            raise ConfigurationError(f"services[{name!r}]: a BackendService is complete, and cannot be configured")
        return given
    reach = behind_sockets(config, name) if given is None and config is not None else in_process(name, given)
    config = config or ServiceConfig()
    return build_service(name, config, reach, [*_service_layers(name, config, tools)], tools)


def _service_layers(name: str, config: ServiceConfig, tools: Tools) -> Iterator[Middleware]:
    """What stands around every call of a service, outermost first."""
    if config.fallback is not None:
        yield fallback(config.fallback, tools)
    if config.retry is not None:
        yield retry(config.retry, tools)
    if config.hedge is not None:
        yield hedge(config.hedge, tools)
    if config.throttle is not None:
        yield throttle(config.throttle, name, tools)
    if config.circuit_breaker is not None:
        yield circuit_breaker(config.circuit_breaker, name, config.timeout, tools)
    if config.concurrency is not None:
        yield bulkhead(config.concurrency, name, tools.clock)
    yield RemainingDeadlineMiddleware(tools.clock)
