"""Build tools: what factories may need beside their options.

What it does not do: make any of it; `build.py` does, once for each gateway, and factories what is shared.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias, TypeVar, cast

from api_gateway.build_rate_limits import RateLimits
from api_gateway.core.api_gateway import Closable, Startable
from api_gateway.core.clock import Clock
from api_gateway.core.middleware import Handler, Middleware
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.middleware.metrics.introspection import IntrospectionMetrics
from api_gateway.middleware.metrics.key_sets import KeySetMetrics

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Tools:
    """Shared by all parts of one gateway."""

    clock: Clock
    random: Random
    rate_limits: RateLimits
    services: Mapping[str, Handler]
    """By name; complete when the first request comes, and not before."""
    resources: list[Startable | Closable]
    """What a factory adds here is started before the first request, and closed after the last."""
    route_headers: tuple[str, ...] = ()
    """Request headers that choose the route, in lower case."""
    key_sets: KeySetMetrics = field(default_factory=KeySetMetrics)
    """Shows how the keys of issuers are fetched."""
    introspections: IntrospectionMetrics = field(default_factory=IntrospectionMetrics)
    """Shows what identity providers are asked."""
    _shared: list[tuple[object, object]] = field(default_factory=list)

    def service_named(self, name: str) -> Handler:
        """The service `name`, which may be made later than this."""

        def ask(request: Request, context: RequestContext) -> Awaitable[Response]:
            return self.services[name](request, context)

        return ask

    def shared(self, options: object, make: Callable[[], Made]) -> Made:
        """What `make` has made for equal `options`, so that entries that say the same share one."""
        for known, made in self._shared:
            if known == options:
                return cast(Made, made)
        self._shared.append((options, made := make()))
        return made


MiddlewareFactory: TypeAlias = Callable[[object, Tools], Middleware]
"""Makes a middleware of its options; raises ConfigurationError where they are wrong."""
