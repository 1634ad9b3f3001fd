"""BackendService: one service behind the gateway: endpoints, a balancer, a transport.

Rule: pick an endpoint, count it in, send, count it out when the response is *finished*. A response
whose body has arrived whole is finished; one that still streams is finished when it is closed.
A balancer that learns is told how long each call took and what came of it, and outlier detection whether it was an
error; services without either pay for neither.

Endpoints are chosen among the healthy ones (`healthy_endpoints.py`). The usual way is one flag and one choice; only
further attempts, and times in which somebody is ejected or warming up, take the careful way (`careful_choice.py`).

What it does not do: retry, break circuits or limit concurrency. Those are middleware around it, composed here
once, because they belong to the service and not to the routes that lead to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from random import Random

from api_gateway.backend.careful_choice import CarefulChoice
from api_gateway.backend.endpoint import Endpoint
from api_gateway.backend.health_check import HealthCheck
from api_gateway.backend.health_checker import HealthChecker
from api_gateway.backend.healthy_endpoints import PANIC_THRESHOLD, EndpointHealth, HealthyEndpoints
from api_gateway.backend.load_balancer import ExplainableLoadBalancer, LearningLoadBalancer, LoadBalancer, Outcome
from api_gateway.backend.outlier_detection import OutlierDetection, OutlierDetector
from api_gateway.backend.round_robin_load_balancer import RoundRobinLoadBalancer
from api_gateway.backend.slow_start import SlowStart
from api_gateway.core.clock import Clock, SystemClock
from api_gateway.core.errors import NoHealthyEndpoint
from api_gateway.core.headers import Headers
from api_gateway.core.middleware import Handler, Middleware, chain
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import UpstreamError
from api_gateway.core.xray.facts import Fact, Facts
from api_gateway.core.xray.recorder import Recorder
from api_gateway.core.xray.subject import name_in_words
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
        random: Random | None = None,
        health_check: HealthCheck | None = None,
        outlier_detection: OutlierDetection | None = None,
        slow_start: SlowStart | None = None,
        panic_threshold: float = PANIC_THRESHOLD,
    ) -> None:
        """Make a service whose endpoints are all healthy.

        Args:
            name: for the log and the context.
            endpoints: who answers for it. To change them later, assign another sequence.
            transport: how they are asked.
            load_balancer: round robin unless given.
            middleware: around every call, first one outermost.
            clock: tells the time to health and measurements.
            random: draws for jitter and slow start.
            health_check: how endpoints are checked between `start` and `close`; never unless given.
            outlier_detection: when their answers eject them; never unless given.
            slow_start: how new and returning ones get their share; at once unless given.
            panic_threshold: share of healthy endpoints below which all are used; 0 for never.

        Raises:
            ValueError: the threshold is not a share.
        """
        self.name = name
        self.load_balancer = load_balancer or RoundRobinLoadBalancer()
        self._learn = self.load_balancer.learn if isinstance(self.load_balancer, LearningLoadBalancer) else None
        self._transport = transport
        self._clock = clock or SystemClock()
        random = random or Random()
        self.health = HealthyEndpoints(
            name, endpoints, panic_threshold=panic_threshold, slow_start=slow_start, random=random
        )
        self._careful = CarefulChoice(self.health, self.load_balancer)
        self._outliers = OutlierDetector(outlier_detection, self.health) if outlier_detection else None
        self.checker = (
            HealthChecker(health_check, self.health, transport, self._clock, random) if health_check else None
        )
        self._watched = self._learn is not None or self._outliers is not None
        self.middleware = tuple(middleware)
        self._handler = chain(self.middleware, self.ask)

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        """All endpoints, healthy or not. Assign others to change them; those that stay must be the same objects."""
        return self.health.members

    @endpoints.setter
    def endpoints(self, endpoints: Sequence[Endpoint]) -> None:
        self.health.change_members(endpoints, self._clock.monotonic())
        if self.checker is not None:
            self.checker.follow()

    def __call__(self, request: Request, context: RequestContext) -> Awaitable[Response]:
        """Ask the service, through its middleware, without what is none of its business."""
        return self._handler(_told(request, context) if context.withheld else request, context)

    def watched(self, recorder: Recorder, services: Mapping[str, Handler]) -> Handler:
        """See `Watchable`."""
        handler = recorder.chain(self.middleware, recorder.step(self, self.ask))

        def ask(request: Request, context: RequestContext) -> Awaitable[Response]:
            return handler(_told(request, context), context)

        return ask

    async def state_for(self, request: Request, context: RequestContext) -> Facts:
        """Who may be asked, and what the balancer goes by."""
        endpoints = self.health.refresh(self._clock.monotonic())
        facts: dict[str, Fact] = {
            "balancer": name_in_words(self.load_balancer),
            "endpoints": {
                endpoint.url: self._shown(endpoint, usable=endpoint in endpoints) for endpoint in self.endpoints
            },
        }
        if isinstance(self.load_balancer, ExplainableLoadBalancer) and endpoints:
            facts.update(self.load_balancer.state_for(endpoints, request, context))
        return facts

    def _shown(self, endpoint: Endpoint, *, usable: bool) -> Facts:
        health = self.health_of(endpoint)
        facts: dict[str, Fact] = {"in flight": endpoint.in_flight, "weight": endpoint.weight, "health": health.state}
        if health.why:
            facts["why"] = health.why
        return facts if usable else {**facts, "not usable": True}

    async def ask(self, request: Request, context: RequestContext) -> Response:
        """Ask one endpoint.

        Raises:
            NoHealthyEndpoint: there is none to ask.
            UpstreamError: the one that was asked gave no usable answer.
        """
        health = self.health
        if health.settled and not context.attempts:
            endpoint = self.load_balancer.select(health.usable, request, context)
        else:
            endpoint = self._choose_with_care(request, context)
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
            if self._watched:
                self._tell(endpoint, started, duration, response, failed, context)
        return response

    def health_of(self, endpoint: Endpoint) -> EndpointHealth:
        """How one of the endpoints is now, and why."""
        return self.health.health(endpoint, self._clock.monotonic())

    async def start(self) -> None:
        """Begin to check endpoints, if they are to be checked; without it nothing is done but what requests cause."""
        if self.checker is not None:
            self.checker.start()

    async def close(self) -> None:
        """Stop checking, and close the transport's connections."""
        if self.checker is not None:
            await self.checker.close()
        await self._transport.close()

    def _choose_with_care(self, request: Request, context: RequestContext) -> Endpoint:
        endpoint = self._careful.choose(request, context, self._clock.monotonic())
        if endpoint is not None:
            return endpoint
        if not self.endpoints:
            raise NoHealthyEndpoint(f"service {self.name} has no endpoint")
        raise NoHealthyEndpoint(f"service {self.name}: none of its {len(self.endpoints)} endpoints is healthy")

    def _tell(
        self,
        endpoint: Endpoint,
        started: int,
        duration: int,
        response: Response | None,
        failed: bool,
        context: RequestContext,
    ) -> None:
        """Tell the balancer and outlier detection, as far as they are there."""
        if self._learn is not None:
            self._learn(endpoint, duration, _outcome(response, failed))
        if self._outliers is None:
            return
        now = started + duration
        if response is None:
            # Whoever let the deadline pass has failed; if nobody waits for another reason, nothing is known.
            if failed or context.deadline_has_passed(now):
                self._outliers.observe(endpoint, failed=True, sent=started, now=now)
        elif response.status >= 500 or isinstance(response.body, bytes):
            self._outliers.observe(endpoint, failed=response.status >= 500, sent=started, now=now)
        else:
            self._observe_at_the_end(self._outliers, endpoint, started, response)

    def _observe_at_the_end(
        self, outliers: OutlierDetector, endpoint: Endpoint, started: int, response: Response
    ) -> None:
        """A head is half an answer: whether the rest came is known when it is closed."""

        def observe() -> None:
            broken = isinstance(response.failure, UpstreamError)
            outliers.observe(endpoint, failed=broken, sent=started, now=self._clock.monotonic())

        response.on_close(observe)

    def __repr__(self) -> str:
        return f"<BackendService {self.name} with {len(self.endpoints)} endpoints>"


def _told(request: Request, context: RequestContext) -> Request:
    """The request without the credentials that were meant for the gateway."""
    told = [pair for pair in request.headers.pairs if pair[0] not in context.withheld]
    return request.with_headers(Headers.from_pairs(told))


def _outcome(response: Response | None, failed: bool) -> Outcome:
    if response is not None:
        return "answered" if response.status < 500 else "failed"
    return "failed" if failed else "abandoned"
