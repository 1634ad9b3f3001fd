"""BackendService: one service behind the gateway: endpoints, a balancer, a transport.

Rule: pick an endpoint, count it in, send, count it out when the response is *finished*. A response
whose body has arrived whole is finished; one that still streams is finished when it is closed.
A balancer that learns is told how long each call took and what came of it; others cost nothing more.

What it does not do: retry, break circuits or limit concurrency. Those are middleware around it, composed here
once, because they belong to the service and not to the routes that lead to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.load_balancer import LearningLoadBalancer, LoadBalancer, Outcome
from api_gateway.backend.round_robin_load_balancer import RoundRobinLoadBalancer
from api_gateway.core.clock import Clock, SystemClock
from api_gateway.core.errors import NoHealthyEndpoint, UpstreamError
from api_gateway.core.middleware import Middleware, chain
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.transport.transport import Transport


class BackendService:
    """A service as a Handler."""

    def __init__(
        self,
        name: str,
        endpoints: Sequence[Endpoint],
        transport: Transport,
        load_balancer: LoadBalancer | None = None,
        *,
        middleware: Sequence[Middleware] = (),
        clock: Clock | None = None,
    ) -> None:
        """`load_balancer` is round robin unless given; `middleware` is around every call, first one outermost.

        To change `endpoints` later, assign another sequence.
        """
        self.name = name
        self.endpoints: Sequence[Endpoint] = tuple(endpoints)
        self.load_balancer = load_balancer or RoundRobinLoadBalancer()
        self._learn = self.load_balancer.learn if isinstance(self.load_balancer, LearningLoadBalancer) else None
        self._transport = transport
        self._clock = clock or SystemClock()
        self.middleware = tuple(middleware)
        self._handler = chain(self.middleware, self.ask)

    def __call__(self, request: Request, context: RequestContext) -> Awaitable[Response]:
        """Ask the service, through its middleware."""
        return self._handler(request, context)

    async def ask(self, request: Request, context: RequestContext) -> Response:
        """Ask one endpoint.

        Raises:
            NoHealthyEndpoint: there is none to ask.
            UpstreamError: the one that was asked gave no usable answer.
        """
        if not self.endpoints:
            raise NoHealthyEndpoint(f"service {self.name} has no endpoint")
        endpoint = self.load_balancer.select(self.endpoints, request, context)
        context.service = self.name
        context.endpoint = endpoint.url
        context.attempts += 1
        endpoint.acquire()
        started = self._clock.monotonic()
        finished = True
        response: Response | None = None
        failed = False
        try:
            response = await self._transport.send(endpoint.url, request, context)
            if not isinstance(response.body, bytes):
                finished = False
                response.on_close(endpoint.release)
        except UpstreamError:
            endpoint.failures += 1
            failed = True
            raise
        finally:
            duration = self._clock.monotonic() - started
            context.upstream_duration += duration
            if finished:
                endpoint.release()
            if self._learn is not None:
                self._learn(endpoint, duration, _outcome(response, failed))
        return response

    async def close(self) -> None:
        """Close the transport's connections."""
        await self._transport.close()

    def __repr__(self) -> str:
        return f"<BackendService {self.name} with {len(self.endpoints)} endpoints>"


def _outcome(response: Response | None, failed: bool) -> Outcome:
    if response is not None:
        return "answered" if response.status < 500 else "failed"
    return "failed" if failed else "abandoned"
