"""Build services: who answers, in this process or behind a socket, with what stands around every call.

Rule: a Handler takes (request, context), an ASGI 3 application takes (scope, receive, send): so the two are told
apart. Each becomes an endpoint with an address, so balancers, policies and metrics see no difference to a socket.

What it does not do: say which layers a service has, and in which order; `build.py` does.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import NamedTuple, cast

from api_gateway.backend.backend_service import BackendService
from api_gateway.backend.endpoint import Endpoint
from api_gateway.build_load_balancers import BALANCERS
from api_gateway.build_tools import Tools
from api_gateway.config.service_schema import ServiceConfig
from api_gateway.core.errors import ConfigurationError
from api_gateway.core.middleware import Handler, Middleware
from api_gateway.transport.http1 import Http1Transport
from api_gateway.transport.httpx_transport import HttpxTransport
from api_gateway.transport.in_process import AsgiApp, AsgiService, InProcessTransport
from api_gateway.transport.transport import Timeouts, Transport
from api_gateway.transport.upstream_tls import UpstreamTls

TRANSPORTS: Mapping[str, Callable[[Timeouts, UpstreamTls | None], Transport]] = {
    "http1": lambda timeouts, tls: Http1Transport(timeouts, tls=tls),
    "httpx": lambda timeouts, tls: HttpxTransport(timeouts, tls=tls),
}


class Reach(NamedTuple):
    """Who answers, and how they are asked."""

    endpoints: Sequence[Endpoint]
    transport: Transport


def build_service(
    name: str, config: ServiceConfig, reach: Reach, middleware: Sequence[Middleware], tools: Tools
) -> BackendService:
    """The service that `config` describes."""
    balancer = config.load_balancer
    return BackendService(
        name,
        reach.endpoints,
        reach.transport,
        BALANCERS[balancer.name](balancer, tools.clock, tools.random),
        middleware=middleware,
        clock=tools.clock,
        # Of its own: how often a service is checked must not change what others draw.
        random=Random(tools.random.getrandbits(64)),
        health_check=config.health_check.options() if config.health_check else None,
        outlier_detection=config.outlier_detection.options() if config.outlier_detection else None,
        slow_start=config.slow_start.options() if config.slow_start else None,
        panic_threshold=config.panic_threshold,
    )


def behind_sockets(config: ServiceConfig, name: str = "") -> Reach:
    """The endpoints of the configuration; `name` is the service's, for the log.

    Raises:
        ConfigurationError: a file of its `tls` cannot be used.
    """
    timeout = config.timeout
    tls = UpstreamTls(config.tls.options(), service=name) if config.tls is not None else None
    return Reach(
        [Endpoint(endpoint.url, endpoint.weight) for endpoint in config.endpoints],
        TRANSPORTS[config.transport](Timeouts(timeout.connect, timeout.request, timeout.idle), tls),
    )


def in_process(name: str, value: object) -> Reach:
    """A Handler, an ASGI application, or a list of these.

    Raises:
        ConfigurationError: `value` is none of them.
    """
    values = list(value) if isinstance(value, list | tuple) else [value]
    if not values:
        raise ConfigurationError(f"services[{name!r}]: the list is empty; give at least one Handler")
    handlers = {f"in-process://{name}/{index}": _handler(name, item) for index, item in enumerate(values)}
    return Reach([Endpoint(url) for url in handlers], InProcessTransport(handlers))


def _handler(name: str, value: object) -> Handler:
    if callable(value):
        if _takes(value, 2):
            return cast(Handler, value)
        if _takes(value, 3):
            return AsgiService(cast(AsgiApp, value))
    raise ConfigurationError(
        f"services[{name!r}]: {value!r} is neither a Handler, async (request, context), nor an ASGI 3 application"
    )


def _takes(function: Callable[..., object], arguments: int) -> bool:
    try:
        inspect.signature(function).bind(*range(arguments))
    except (TypeError, ValueError):
        return False
    return True
