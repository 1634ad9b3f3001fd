"""Explanation: what the gateway would do with one request, as text for a person.

Rule: nothing is worked out a second time. The gateway's own first step makes the path canonical,
its own router decides, `routing/explain.py` gives the reasons, and the chain is read off the
objects that would run.

What it does not do: send anything.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus

from api_gateway.backend.aggregator import Aggregator
from api_gateway.backend.backend_service import BackendService
from api_gateway.config.units import format_duration
from api_gateway.core.api_gateway import ApiGateway
from api_gateway.core.canonical_request import canonical_request
from api_gateway.core.errors import GatewayError
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.xray.subject import headline
from api_gateway.middleware.auth_middleware import AuthMiddleware
from api_gateway.middleware.authorization import AuthorizationMiddleware
from api_gateway.middleware.rate_limit.rate_limit_middleware import RateLimitMiddleware
from api_gateway.rate_limiting.limit_store import Limit
from api_gateway.routing.explain import Explanation, explain
from api_gateway.routing.rejection import Rejection
from api_gateway.routing.route import PRESERVE, Route
from api_gateway.routing.router import Match, Router


async def explained(gateway: ApiGateway, request: Request) -> tuple[bool, str]:
    """Whether a route was found, and the whole story, in lines."""
    assert isinstance(gateway.router, Router), "build_gateway makes it so"
    lines = _block("request", [f"{request.method} {request.target}", f"host {request.header('host')}"])
    try:
        canonical = await _canonical(request)
    except GatewayError as refusal:
        return False, "\n".join([*lines, *_refused(refusal.status, refusal.detail)])
    if canonical.target != request.target:
        lines += _block("read as", [canonical.target])
    explanation = explain(gateway.router, canonical)
    if explanation.match is None:
        lines += _refused(explanation.status, _no_route(explanation))
    else:
        lines += _taken(gateway, explanation.match, canonical)
    lines += _block("not taken", _losers(explanation.rejections))
    return explanation.match is not None, "\n".join(lines)


async def _canonical(request: Request) -> Request:
    kept = [request]

    async def keep(request: Request, _: RequestContext) -> Response:
        kept.append(request)
        return Response()

    await canonical_request(request, RequestContext(http_version="1.1"), keep)
    return kept[-1]


def _refused(status: int, detail: str) -> list[str]:
    return _block("answer", [f"{status} {HTTPStatus(status).phrase}", detail])


def _no_route(explanation: Explanation) -> str:
    if explanation.allow:
        return f"a route matches but for the method; right would be {', '.join(sorted(explanation.allow))}"
    return "no route matches"


def _taken(gateway: ApiGateway, match: Match, request: Request) -> list[str]:
    route = match.route
    lines = _block("route", [route.name, *([f"path {route.path}"] if route.name != route.path else [])])
    lines += _block("because", _reasons(route))
    lines += _block("parameters", [f"{name} = {value!r}" for name, value in match.parameters.items()])
    layers: list[object] = [*gateway.layers(), gateway.router, *route.middleware]
    lines += _block("chain", _numbered(layers))
    lines += _block("callers", _callers(layers))
    lines += _block("limits", _limits(layers))
    service = gateway.services[route.service]
    if isinstance(service, Aggregator):
        return lines + _block("aggregate", service.plan.explained)
    path = route.forwarded_path(request.path)
    forwarded = f"{request.method} {path}?{request.query}" if request.query else f"{request.method} {path}"
    lines += _block("forwarded", [forwarded, _forwarded_host(route, request)])
    lines += _block("service", _service(service, route.service))
    return lines + _block("around", _numbered(service.middleware) if isinstance(service, BackendService) else [])


def _reasons(route: Route) -> Iterator[str]:
    """The demands of the winner, in the order of the router's rule."""
    written = route.path.split("/")[1:]
    for segment, wanted in zip(written, route.pattern.segments, strict=False):
        yield f"segment {segment!r} is a parameter" if wanted is None else f"segment {segment!r} is exact"
    if route.pattern.has_tail:
        yield "'*' takes whatever follows"
    if route.hosts:
        yield f"host is {' or '.join(route.hosts)}"
    yield from (f"header {name} {predicate}" for name, predicate in route.predicates.headers.items())
    yield from (f"query parameter {name} {predicate}" for name, predicate in route.predicates.query.items())
    if route.methods:
        yield f"method is {' or '.join(route.methods)}"
    yield "all hold, and no matching route is more specific"


def _numbered(layers: Sequence[object]) -> list[str]:
    named = [(_name(layer), headline(layer)) for layer in layers]
    width = max(len(name) for name, _ in named)
    return [f"{number:2}  {name:{width}}  {about}".rstrip() for number, (name, about) in enumerate(named, start=1)]


def _callers(layers: Iterable[object]) -> Iterator[str]:
    """Who may call, as far as that is decided by who they are."""
    for layer in layers:
        if isinstance(layer, AuthMiddleware):
            yield layer.explained
        elif isinstance(layer, AuthorizationMiddleware):
            yield from layer.explained


def _limits(layers: Iterable[object]) -> Iterator[str]:
    """The policies of the rate limits among the layers, in the order in which they are asked."""
    for layer in layers:
        if isinstance(layer, RateLimitMiddleware):
            for policy in layer.policies:
                tiers = [f"{tier} {_numbers(limit)}" for tier, limit in policy.tiers.items()]
                cost = [f"cost {policy.cost}"] if policy.cost > 1 else []
                trial = ["dry run"] if layer.dry_run else []
                facts = [policy.limit.algorithm, _numbers(policy.limit), f"by {policy.keyed_by}"]
                yield f"{policy.limit.name}: {', '.join([*facts, *cost, *tiers, *trial])}"


def _numbers(limit: Limit) -> str:
    if limit.algorithm == "concurrency":
        return f"{limit.limit} at once"
    often = f"{limit.limit} in {format_duration(limit.period)}"
    return often if limit.burst is None else f"{often} burst {limit.burst}"


def _name(layer: object) -> str:
    if isinstance(layer, Router):
        return "router"
    return layer.__name__ if inspect.isfunction(layer) else type(layer).__name__


def _forwarded_host(route: Route, request: Request) -> str:
    if route.host is None:
        return "host as in the endpoint's URL"
    return f"host {request.header('host') if route.host == PRESERVE else route.host}"


def _service(service: object, name: str) -> list[str]:
    if not isinstance(service, BackendService):
        return [name]
    balancer = type(service.load_balancer).__name__
    return [f"{name}, by {balancer}", *(f"{endpoint.url} weight {endpoint.weight}" for endpoint in service.endpoints)]


def _losers(rejections: Sequence[Rejection]) -> list[str]:
    if not rejections:
        return ["there is no other route"]
    width = min(40, max(len(rejection.route.name) for rejection in rejections))
    return [f"{rejection.route.name:{width}}  {rejection.reason}" for rejection in rejections]


def _block(title: str, lines: Iterable[str]) -> list[str]:
    """Lines under a title in the left column."""
    return [f"{'' if index else title:10}  {line}" for index, line in enumerate(lines)]
