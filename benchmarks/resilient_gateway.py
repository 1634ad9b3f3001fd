"""A gateway that retries and leaves dead instances out: `python -m benchmarks.resilient_gateway PORT URL...`.

Made by hand of the parts that `retry` and `outlier_detection` of a configuration stand for, on the
gateway's own HTTP server. `/counts` tells what became of each instance, as JSON; any other path is
asked of the instances in turn.

What it does not do: everything else that `api-gateway serve` does around a request.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from random import Random

from api_gateway import ApiGateway, BackendService, Endpoint, Request, RequestContext, Response, Route, Router
from api_gateway.backend.outlier_detection import OutlierDetection
from api_gateway.core.middleware import Middleware
from api_gateway.middleware.retry import RetryMiddleware
from api_gateway.resilience.backoff import Backoff
from api_gateway.resilience.retry_budget import RetryBudget
from api_gateway.server.http_server import HttpServer
from api_gateway.server.sockets import listen
from api_gateway.transport.http1 import Http1Transport
from api_gateway.transport.transport import Timeouts
from benchmarks import event_loop

COUNTS = "/counts"

_MILLISECOND = 1_000_000
_DRAIN = 1.0


def retry() -> RetryMiddleware:
    """`retry: {attempts: 3, on: [connect_error, 502, 503, 504], budget: 0.2, backoff: 25ms}`."""
    return RetryMiddleware(3, Backoff(25 * _MILLISECOND, 250 * _MILLISECOND, Random()), RetryBudget(0.2))


def service(urls: Sequence[str], *middleware: Middleware) -> BackendService:
    """Instances of one service, of which those are left out for half a second that fail five times in a row."""
    return BackendService(
        "service",
        [Endpoint(url) for url in urls],
        Http1Transport(Timeouts(connect=1.0, request=3.0)),
        middleware=middleware,
        outlier_detection=OutlierDetection(consecutive_errors=5, ejection_time=0.5),
    )


def gateway(instances: BackendService) -> ApiGateway:
    """The gateway before them."""

    async def counts(request: Request, context: RequestContext) -> Response:
        return Response.json(
            {
                endpoint.url: {
                    "answered": endpoint.requests - endpoint.failures,
                    "failures": endpoint.failures,
                    "health": instances.health_of(endpoint).state,
                }
                for endpoint in instances.endpoints
            }
        )

    routes = [Route(COUNTS, "counts"), Route("/*", "service")]
    return ApiGateway(Router(routes), {"counts": counts, "service": instances})


async def _serve(port: int, urls: Sequence[str]) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    application = gateway(service(urls, retry()))
    async with application:
        server = HttpServer(application)
        await server.start(listen("127.0.0.1", port))
        await stopped.wait()
        await server.drain(_DRAIN)


if __name__ == "__main__":
    event_loop.run(_serve(int(sys.argv[1]), sys.argv[2:]))
