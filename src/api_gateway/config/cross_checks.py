"""Cross-checks: mistakes that show only when two places are compared.

Rule: each check looks at what is valid by itself and says nothing of the rest, so one run finds
everything that can be found. Whether two routes tie is not decided here: the router is asked.

Cost: linear; quadratic only among routes of one path and host, and only when some tie.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from api_gateway.config.cache_checks import check_caches
from api_gateway.config.fallback_schema import check_fallbacks
from api_gateway.config.middleware_schema import OBSERVERS, REPEATABLE, MiddlewareEntry
from api_gateway.config.problems import Finding, Path, did_you_mean
from api_gateway.config.rate_limit_checks import check_names, check_rate_limit
from api_gateway.config.route_schema import RouteConfig, make_route
from api_gateway.config.security_checks import check_security
from api_gateway.config.service_schema import ServiceConfig
from api_gateway.config.tls_schema import check_service_tls
from api_gateway.config.transform_checks import check_transform
from api_gateway.core.errors import ConfigurationError
from api_gateway.routing.route import Pattern, Route
from api_gateway.routing.router import Router
from api_gateway.transport.origin import Origin


@dataclass(frozen=True, slots=True)
class Parts:
    """The valid parts of a configuration, and where they stand."""

    routes: Mapping[int, RouteConfig]
    services: Mapping[str, ServiceConfig]
    middleware: Mapping[int, MiddlewareEntry]
    service_of_route: Mapping[int, str]
    """Also of routes that are not valid otherwise."""
    service_names: Collection[str]
    """Also of services that are not valid otherwise."""
    provided: Collection[str]
    """Names of services that exist in-process."""
    verified: bool
    """Whether the listener verifies client certificates, as far as it is known."""


def cross_check(parts: Parts) -> Iterator[Finding]:
    """Everything that contradicts something else."""
    yield from _dangling(parts)
    yield from _given_twice(parts)
    for name, service in parts.services.items():
        if name not in parts.provided:
            yield from _endpoints(("services", name, "endpoints"), service)
            if service.tls is not None:
                urls = [endpoint.url for endpoint in service.endpoints]
                yield from check_service_tls(("services", name, "tls"), urls)
        if service.slow_start is not None and service.health_check is None and service.outlier_detection is None:
            cause = "slow_start has nothing to do: without checks or ejections no endpoint is ever new or back"
            remedy = "add health_check or outlier_detection, or remove it"
            yield Finding(("services", name, "slow_start"), cause, remedy, at_key=True)
    fallbacks = {name: service.fallback for name, service in parts.services.items() if service.fallback is not None}
    yield from check_fallbacks(fallbacks, {*parts.service_names, *parts.provided})
    yield from _repeated_middleware(("middleware",), parts.middleware)
    for index, route in parts.routes.items():
        yield from _route(("routes", index), route)
    entries = [*_entries(parts)]
    rate_limits = [((*path, "rate_limit"), entry.rate_limit) for path, entry in entries if entry.rate_limit is not None]
    for path, options in rate_limits:
        yield from check_rate_limit(path, options)
    yield from check_names(rate_limits)
    for path, entry in entries:
        if entry.transform is not None:
            parameters = Pattern.parse(parts.routes[int(path[1])].path).parameters if path[0] == "routes" else None
            yield from check_transform((*path, "transform"), entry.transform, parameters)
        if entry.fallback is not None and entry.fallback.service is not None:
            yield from _known_service((*path, "fallback", "service"), entry.fallback.service, parts)
    yield from check_caches(parts.middleware, parts.routes)
    yield from check_security(
        parts.middleware,
        {index: dict(enumerate(route.middleware)) for index, route in parts.routes.items()},
        lambda path, service: _known_service(path, service, parts),
        verified=parts.verified,
    )
    yield from _route_names(parts.routes)
    yield from _ties(parts.routes)


def _dangling(parts: Parts) -> Iterator[Finding]:
    for index, service in parts.service_of_route.items():
        yield from _known_service(("routes", index, "service"), service, parts)
    for index, route in parts.routes.items():
        for name, part in (route.aggregate or {}).items():
            yield from _known_service(("routes", index, "aggregate", name, "service"), part.service, parts)


def _known_service(path: Path, service: str, parts: Parts) -> Iterator[Finding]:
    known = {*parts.service_names, *parts.provided}
    if service not in known:
        remedy = f"define it under 'services'; {did_you_mean(service, known, 'defined are')}"
        yield Finding(path, f"service {service!r} is not defined", remedy)


def _given_twice(parts: Parts) -> Iterator[Finding]:
    for name in sorted(parts.services.keys() & {*parts.provided}):
        given = parts.services[name].model_fields_set
        if "endpoints" in given:
            cause = f"service {name!r} is given in the configuration and in-process"
            yield Finding(("services", name), cause, "leave one of them out", at_key=True)
        for key in sorted(given & {"transport", "timeout", "tls"}):
            cause = f"service {name!r} is in-process, where there is no {key}"
            yield Finding(("services", name, key), cause, "remove it", at_key=True)


def _endpoints(path: Path, service: ServiceConfig) -> Iterator[Finding]:
    if not service.endpoints:
        yield Finding(path, "the service has no endpoint", "add one, such as http://127.0.0.1:9001")
    seen: dict[tuple[str, int, str], int] = {}
    for index, endpoint in enumerate(service.endpoints):
        origin = Origin.parse(endpoint.url)
        first = seen.setdefault((origin.host, origin.port, origin.base_path), index)
        if first != index:
            cause, remedy = f"endpoint {endpoint.url!r} is there twice", "remove one; to give it more, use weight"
            yield Finding((*path, index), cause, remedy, other=(*path, first))


def _repeated_middleware(path: Path, entries: Mapping[int, MiddlewareEntry]) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, entry in entries.items():
        first = seen.setdefault(entry.name, index)
        if first != index and entry.name in MiddlewareEntry.model_fields and entry.name not in REPEATABLE:
            yield Finding((*path, index), f"{entry.name} is there twice", "remove one", other=(*path, first))


def _entries(parts: Parts) -> Iterator[tuple[Path, MiddlewareEntry]]:
    """Every entry of a middleware list, and where it stands."""
    for index, entry in parts.middleware.items():
        yield ("middleware", index), entry
    for route, config in parts.routes.items():
        for index, entry in enumerate(config.middleware):
            yield ("routes", route, "middleware", index), entry


def _route(path: Path, config: RouteConfig) -> Iterator[Finding]:
    if config.composition is not None:
        yield from config.composition.check(path, Pattern.parse(config.path).parameters, config.methods)
    yield from _path_changes(path, config)
    yield from _repeated_middleware((*path, "middleware"), dict(enumerate(config.middleware)))
    yield from _repeated_names((*path, "headers"), config.headers)
    for index, entry in enumerate(config.middleware):
        if entry.name in OBSERVERS:
            cause = f"{entry.name} watches every request and cannot stand on a route"
            yield Finding((*path, "middleware", index), cause, "move it to the 'middleware' list at the top")
        if entry.cors is not None and config.methods and "OPTIONS" not in config.methods:
            cause = "a preflight is an OPTIONS request, which this route does not take"
            remedy = "add OPTIONS to methods, or move cors to the 'middleware' list at the top"
            yield Finding((*path, "middleware", index), cause, remedy, other=(*path, "methods"))
    for index, host in enumerate(config.hosts):
        if host in config.hosts[:index]:
            yield Finding((*path, "hosts", index), f"host {host!r} is there twice", "remove one")


def _path_changes(path: Path, config: RouteConfig) -> Iterator[Finding]:
    pattern = Pattern.parse(config.path)
    if config.strip_prefix and not pattern.has_tail:
        cause, remedy = "strip_prefix needs a path that ends in '/*'", "end the path in '/*', or use rewrite"
        yield Finding((*path, "strip_prefix"), cause, remedy, other=(*path, "path"))
    if config.rewrite is None:
        return
    at = (*path, "rewrite")
    if config.strip_prefix:
        cause, remedy = "rewrite and strip_prefix exclude each other", "remove one"
        yield Finding(at, cause, remedy, at_key=True, other=(*path, "strip_prefix"))
    template = Pattern.parse(config.rewrite)
    for name in sorted({*template.parameters} - {*pattern.parameters}):
        yield Finding(at, f"the path has no parameter {name!r}", "use the path's names", other=(*path, "path"))
    if template.has_tail and not pattern.has_tail:
        cause, remedy = "rewrite uses '*', but the path has no tail", "end the path in '/*'"
        yield Finding(at, cause, remedy, other=(*path, "path"))


def _repeated_names(path: Path, names: Collection[str]) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for name in names:
        first = seen.setdefault(name.lower(), name)
        if first != name:
            cause = f"header {name!r} is there twice; case makes no difference"
            yield Finding((*path, name), cause, "remove one", at_key=True, other=(*path, first))


def _route_names(routes: Mapping[int, RouteConfig]) -> Iterator[Finding]:
    owners: dict[str, int] = {}
    for index, route in routes.items():
        first = owners.setdefault(route.name or route.path, index)
        # Routes without a name of their own may share a path: that is how methods are told apart.
        if first != index and (route.name or routes[first].name):
            at: Path = ("routes", index, "name" if route.name else "path")
            yield Finding(at, "another route has this name", "choose another name", other=("routes", first))


def _ties(routes: Mapping[int, RouteConfig]) -> Iterator[Finding]:
    made: dict[int, Route] = {}
    for index, config in routes.items():
        try:
            made[index] = make_route(config)
        except ConfigurationError:
            continue  # found already
    if not _tie(made.values()):
        return
    # Only routes of one path and one host can tie; comparing those in pairs says which.
    siblings: dict[tuple[object, ...], list[int]] = {}
    for index, route in made.items():
        for host in route.hosts or ("",):
            siblings.setdefault((route.pattern.segments, route.pattern.has_tail, host), []).append(index)
    rivals: dict[int, int] = {}
    for group in siblings.values():
        for position, second in enumerate(group):
            first = next((first for first in group[:position] if _tie((made[first], made[second]))), None)
            if first is not None:
                rivals.setdefault(second, first)
    for second, first in rivals.items():
        cause = "this route and another are equally specific, and a request could match both"
        remedy = "add a method, host, header or query to one of them, or remove one"
        yield Finding(("routes", second), cause, remedy, other=("routes", first))


def _tie(routes: Collection[Route]) -> bool:
    try:
        Router(routes)
    except ConfigurationError:
        return True
    return False
