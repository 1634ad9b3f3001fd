"""An API gateway to learn from, and to run.

    from api_gateway import ApiGateway, Request, Response, Route, Router

Reading order: `core/middleware.py`, `core/api_gateway.py`, `routing/router.py`,
`backend/backend_service.py`, then `build.py`, where everything is put together.
"""

from typing import TYPE_CHECKING

from api_gateway.backend.backend_service import BackendService
from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.load_balancer import LoadBalancer
from api_gateway.backend.round_robin_load_balancer import RoundRobinLoadBalancer
from api_gateway.core.api_gateway import ApiGateway
from api_gateway.core.errors import ConfigurationError, GatewayError
from api_gateway.core.headers import Headers
from api_gateway.core.middleware import Handler, Middleware, Observer, chain
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.routing.route import Route
from api_gateway.routing.router import Router

if TYPE_CHECKING:
    from api_gateway.build import build_gateway as build_gateway

__all__ = [
    "ApiGateway",
    "BackendService",
    "ConfigurationError",
    "Endpoint",
    "GatewayError",
    "Handler",
    "Headers",
    "LoadBalancer",
    "Middleware",
    "Observer",
    "Request",
    "RequestContext",
    "Response",
    "RoundRobinLoadBalancer",
    "Route",
    "Router",
    "build_gateway",
    "chain",
]


def __getattr__(name: str) -> object:
    # pydantic, which checks configurations, takes 0.2 s to import: only those who build from one pay.
    if name == "build_gateway":
        from api_gateway.build import build_gateway

        return build_gateway
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
