"""ApiGateway: the single entry point. Everything else hangs on this object.

    observers -> error boundary -> canonical request -> middleware -> router -> route -> service

Rule: the chain is composed once, here. Observers (request id, access log, metrics) stand outside
the error boundary and see final statuses; all other middleware stands inside and may simply
raise. Both keep the order in which they were given.

The same object runs in three homes: `await gateway.handle(request)` in-process, the same under a
virtual clock, and as an ASGI application under a server. Nothing below it knows which.

What it does not do: hold state of its own between requests. What must be remembered (in-flight
counts, limits, caches) lives in the part that needs it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Protocol, Self, runtime_checkable

from api_gateway.core.asgi import AsgiApplication, Receive, Scope, Send
from api_gateway.core.canonical_request import canonical_request
from api_gateway.core.clock import Clock, SystemClock
from api_gateway.core.error_boundary import error_boundary
from api_gateway.core.middleware import Handler, Middleware, Observer, chain
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.xray.recorder import Recorder, Watchable
from api_gateway.core.xray.xray import XRay


class RoutingTable(Protocol):
    """What the gateway needs of a router: a handler, once it knows the services."""

    def bind(self, services: Mapping[str, Handler]) -> Handler:
        """A handler that finds the route and calls its service.

        Raises:
            ConfigurationError: a route names a service that is not there.
        """
        ...


@runtime_checkable
class Startable(Protocol):
    """What does something in the background, such as checking endpoints."""

    def start(self) -> Awaitable[None]:
        """Begin; called once, before the first request."""
        ...


@runtime_checkable
class Closable(Protocol):
    """What holds something to free at the end, such as a connection pool."""

    def close(self) -> Awaitable[None]:
        """Free it; called once, after the last request."""
        ...


class ApiGateway:
    """One gateway: a router, the services behind it, and the middleware before it."""

    def __init__(
        self,
        router: RoutingTable,
        services: Mapping[str, Handler],
        middleware: Sequence[Middleware] = (),
        *,
        clock: Clock | None = None,
        resources: Sequence[Startable | Closable] = (),
    ) -> None:
        """Compose the chain.

        `resources` are opened and closed with the gateway, as far as they are Startable and Closable: before the
        services that may use them, and after.

        Raises:
            ConfigurationError: a route names a service that is not in `services`.
        """
        self.router = router
        self.services = dict(services)
        self.middleware = tuple(middleware)
        self.clock = clock or SystemClock()
        self.resources = tuple(resources)
        self._handler = chain(self.layers(), router.bind(self.services))
        self._open = AsyncExitStack()
        self.asgi = AsgiApplication(self._handler, self.clock, self)

    def layers(self) -> tuple[Middleware, ...]:
        """Every layer before the router, outermost first."""
        observers = [layer for layer in self.middleware if isinstance(layer, Observer)]
        others = [layer for layer in self.middleware if not isinstance(layer, Observer)]
        return (*observers, error_boundary, canonical_request, *others)

    def handle(self, request: Request, context: RequestContext | None = None) -> Awaitable[Response]:
        """Answer one request. Read or close the response: it may hold a connection.

        Refusals and failures come back as problem responses; nothing is raised for them.
        """
        return self._handler(request, context or RequestContext(self.clock.monotonic()))

    async def explain(self, request: Request, context: RequestContext | None = None) -> XRay:
        """Answer one request, as `handle` does, and say how: every decision, with the state that made it.

        It is a request like any other: it spends its token, and its service is asked. Read or close the response.
        """
        recorder = Recorder(self.clock)
        services = recorder.services(self.services)
        router = self.router
        if isinstance(router, Watchable):
            routing = router.watched(recorder, services)
        else:
            routing = recorder.step(router, router.bind(services))
        handler = recorder.chain(self.layers(), routing)
        return await recorder.record(handler, request, context or RequestContext(self.clock.monotonic()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The gateway as an ASGI application."""
        await self.asgi(scope, receive, send)

    async def __aenter__(self) -> Self:
        try:
            for resource in (*self.resources, *self.services.values()):
                if isinstance(resource, Closable):
                    self._open.push_async_callback(resource.close)
                if isinstance(resource, Startable):
                    await resource.start()
        except BaseException:
            await self._open.aclose()  # nobody else will: a block that was not entered is not left
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._open.aclose()
