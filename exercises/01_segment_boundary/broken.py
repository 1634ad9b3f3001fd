"""A router by path prefix, as it stands in many a tutorial: a loop and `startswith`."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

from api_gateway import Handler, Request, RequestContext, Response
from api_gateway.core.errors import NotFound


class PrefixRouter:
    """Sends a request to the service whose prefix its path has."""

    def __init__(self, routes: Mapping[str, str]) -> None:
        """`routes` maps prefixes such as `/users` to names of services."""
        self._routes = dict(routes)

    def find(self, path: str) -> str | None:
        """The name of the service for `path`; None if there is no route."""
        for prefix, service in self._routes.items():
            if path.startswith(prefix):
                return service
        return None

    def bind(self, services: Mapping[str, Handler]) -> Handler:
        """The routing table as a handler: this is how `ApiGateway` uses it."""

        def handle(request: Request, context: RequestContext) -> Awaitable[Response]:
            service = self.find(request.path)
            if service is None:
                raise NotFound(f"No route matches {request.path}.")
            return services[service](request, context)

        return handle
