"""Build services: what lives in this process, as a service like any other.

Rule: a Handler takes (request, context), an ASGI 3 application takes (scope, receive, send): so the two are told
apart. Each becomes an endpoint with an address, so that balancers and metrics see no difference.

What it does not do: services behind sockets; `build.py` makes those.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import cast

from api_gateway.backend.backend_service import BackendService
from api_gateway.backend.endpoint import Endpoint
from api_gateway.core.clock import Clock
from api_gateway.core.errors import ConfigurationError
from api_gateway.core.middleware import Handler
from api_gateway.transport.in_process import AsgiApp, AsgiService, InProcessTransport


def in_process_service(name: str, value: object, clock: Clock) -> BackendService:
    """A service of a Handler, an ASGI application, or a list of these; a `BackendService` is one already.

    Raises:
        ConfigurationError: `value` is none of them.
    """
    if isinstance(value, BackendService):
        return value
    values = list(value) if isinstance(value, list | tuple) else [value]
    if not values:
        raise ConfigurationError(f"services[{name!r}]: the list is empty; give at least one Handler")
    handlers = {f"in-process://{name}/{index}": _handler(name, item) for index, item in enumerate(values)}
    endpoints = [Endpoint(url) for url in handlers]
    return BackendService(name, endpoints, InProcessTransport(handlers), clock=clock)


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
