"""Auth metrics: decisions summed over layers, with labels that no client chooses."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from api_gateway.auth.authenticator import InvalidCredentials
from api_gateway.core.errors import Forbidden, Unauthenticated
from api_gateway.core.identity import Identity
from api_gateway.core.middleware import chain
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.middleware.auth_middleware import AuthMiddleware
from api_gateway.middleware.authorization import AccessRule, AuthorizationMiddleware
from api_gateway.middleware.metrics.auth import AuthMetrics
from api_gateway.server.metrics_sum import MetricsSum


class Keys:
    challenge = 'ApiKey realm="api", header="X-API-Key"'
    credential_headers = frozenset({b"x-api-key"})

    async def authenticate(self, request: Request, context: RequestContext) -> Identity | None:
        key = request.header("x-api-key")
        if key is None:
            return None
        if key != "right":
            raise InvalidCredentials("The key is not valid.")
        return Identity("robot", "api_key")


async def served(request: Request, context: RequestContext) -> Response:
    return Response()


def registered() -> tuple[AuthMetrics, CollectorRegistry]:
    metrics, registry = AuthMetrics(), CollectorRegistry()
    registry.register(metrics)
    return metrics, registry


async def test_decisions_are_summed_over_layers() -> None:
    metrics, registry = registered()
    layers = [AuthMiddleware([Keys()], methods=["api_key"]) for _ in range(2)]
    rules = [AuthorizationMiddleware([AccessRule(roles=frozenset({"admin"}))]) for _ in range(2)]
    for layer in layers:
        metrics.watch(layer)
        await layer(Request("GET", "/", {"x-api-key": "right"}), RequestContext(), served)
        with pytest.raises(Unauthenticated):
            await layer(Request("GET", "/", {"x-api-key": "made-up"}), RequestContext(), served)
    known = RequestContext()
    known.identity = Identity("anna", "jwt")
    for rule in rules:
        metrics.watch(rule)
        with pytest.raises(Forbidden):
            await rule(Request("GET", "/"), known, served)

    def value(outcome: str, method: str) -> float | None:
        return registry.get_sample_value("api_gateway_auth_total", {"outcome": outcome, "method": method})

    assert (value("identified", "api_key"), value("invalid", "api_key"), value("missing", "none")) == (2, 2, 0)
    denied = "api_gateway_authorization_denied_total"
    assert registry.get_sample_value(denied, {"reason": "roles"}) == 2
    assert registry.get_sample_value(denied, {"reason": "scopes"}) == 0
    text = generate_latest(registry).decode()
    assert not [word for word in ("right", "made-up", "robot", "anna", "admin") if word in text]


async def test_the_series_do_not_depend_on_what_clients_send() -> None:
    metrics, registry = registered()
    layer = AuthMiddleware([Keys()], methods=["api_key"])
    metrics.watch(layer)
    before = len(generate_latest(registry).splitlines())
    for number in range(50):
        with pytest.raises(Unauthenticated):
            await layer(Request("GET", "/", {"x-api-key": str(number)}), RequestContext(), served)
    assert len(generate_latest(registry).splitlines()) == before


async def test_the_sum_over_processes_adds_both() -> None:
    total = MetricsSum(2)
    for place in (0, 1):
        metrics, registry = registered()
        layer, rule = AuthMiddleware([Keys()], optional=True), AuthorizationMiddleware([AccessRule()])
        metrics.watch(layer)
        metrics.watch(rule)
        with pytest.raises(Unauthenticated):
            await chain([layer, rule], served)(Request("GET", "/"), RequestContext())
        total.update(place, 1, generate_latest(registry).decode())
    value = total.registry.get_sample_value
    assert value("api_gateway_auth_total", {"outcome": "anonymous", "method": "none"}) == 2
    assert value("api_gateway_authorization_denied_total", {"reason": "no_identity"}) == 2
