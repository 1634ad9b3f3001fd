"""Metrics: counters, histograms and one gauge, for Prometheus to scrape.

| name                                  | labels                | counts                                   |
|---------------------------------------|-----------------------|------------------------------------------|
| api_gateway_requests_total            | route, method, status | finished requests                        |
| api_gateway_request_duration_seconds  | route                 | arrival to the end of the response       |
| api_gateway_upstream_duration_seconds | service               | waiting for heads, over all attempts     |
| api_gateway_response_body_bytes_total | route                 | bytes of bodies                          |
| api_gateway_refusals_total            | flag, route           | what did not end well, by who failed     |
| api_gateway_requests_in_flight        |                       | requests now between arrival and end     |

Rule: a complete body in memory counts at once, a streamed one when it is closed. A client that
left before there was an answer counts as status 499, as in the access log.

Bound: labels hold only what the configuration names, known methods, flags of the error tree, and
statuses of three digits; a client cannot add a time series by what it sends.

Cost: label look-ups are the dear part of the library, so the children are kept in dictionaries.
`python -m benchmarks.middleware` measures it.

What it does not do: expose itself (the admin application does), or compute quantiles. Nothing is
created at import; each instance has a registry of its own unless given one. With several worker
processes (`PROMETHEUS_MULTIPROC_DIR`) there can be one instance a process, because the library
keeps values by process and name.

Source: Prometheus, naming and histogram practices; prometheus-client, multiprocess mode.
"""

from __future__ import annotations

import asyncio
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from api_gateway.core.clock import NANOSECONDS, Clock, SystemClock
from api_gateway.core.errors import ClientDisconnected
from api_gateway.core.middleware import Handler, Observer
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.middleware.outcome import CLIENT_GONE_FLAG, CLIENT_GONE_STATUS, outcome

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the histograms in seconds: from a cache hit to a very patient client."""

KNOWN_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
"""Methods with a label of their own; others are `OTHER`."""

NO_ROUTE = "none"
"""The `route` of a request that none matched."""


class MetricsMiddleware(Observer):
    """Counts requests in `registry`."""

    __slots__ = ("_clock", "_instruments", "_refusals", "_series", "_upstream", "registry")

    registry: CollectorRegistry
    """Where the metrics are; hand it to the exposition."""

    def __init__(self, registry: CollectorRegistry | None = None, clock: Clock | None = None) -> None:
        """`registry` is a new one unless given.

        Raises:
            ValueError: `registry` holds another instance's metrics already.
        """
        self.registry = registry if registry is not None else CollectorRegistry()
        self._clock = clock or SystemClock()
        self._instruments = _Instruments(self.registry)
        self._series: dict[tuple[str, str, int], _Series] = {}
        self._upstream: dict[str, Histogram] = {}
        self._refusals: dict[tuple[str, str], Counter] = {}

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Answer, and count."""
        self._instruments.in_flight.inc()
        try:
            response = await call_next(request, context)
        except (asyncio.CancelledError, ClientDisconnected):
            self._count(request.method, context, CLIENT_GONE_STATUS, 0, CLIENT_GONE_FLAG)
            raise
        except BaseException:
            self._instruments.in_flight.dec()
            raise
        body = response.body
        if isinstance(body, bytes):
            self._count(request.method, context, response.status, len(body), context.flag)
        else:
            response.on_close(partial(self._closed, request.method, context, response))
        return response

    def _closed(self, method: str, context: RequestContext, response: Response) -> None:
        flag, _ = outcome(response, context)
        self._count(method, context, response.status, response.bytes_sent, flag)

    def _count(self, method: str, context: RequestContext, status: int, size: int, flag: str) -> None:
        self._instruments.in_flight.dec()
        series = self._series.get((context.route, method, status)) or self._new_series(context.route, method, status)
        series.requests.inc()
        series.duration.observe((self._clock.monotonic() - context.started) / NANOSECONDS)
        series.body_bytes.inc(size)
        if context.attempts:
            upstream = self._upstream.get(context.service) or self._new_upstream(context.service)
            upstream.observe(context.upstream_duration / NANOSECONDS)
        if flag != "-":
            refusals = self._refusals.get((flag, context.route)) or self._new_refusals(flag, context.route)
            refusals.inc()

    def _new_series(self, route: str, method: str, status: int) -> _Series:
        known = method in KNOWN_METHODS and 100 <= status <= 599
        method_label = method if method in KNOWN_METHODS else "OTHER"
        status_label = str(status) if 100 <= status <= 599 else "OTHER"
        series = _Series(self._instruments, route or NO_ROUTE, method_label, status_label)
        if known:  # a client can make up methods without end: those are looked up each time, not kept
            self._series[route, method, status] = series
        return series

    def _new_upstream(self, service: str) -> Histogram:
        return self._upstream.setdefault(service, self._instruments.upstream.labels(service))

    def _new_refusals(self, flag: str, route: str) -> Counter:
        return self._refusals.setdefault((flag, route), self._instruments.refusals.labels(flag, route or NO_ROUTE))


class _Instruments:
    """The metrics themselves."""

    __slots__ = ("body_bytes", "duration", "in_flight", "refusals", "requests", "upstream")

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "api_gateway_requests_total", "Finished requests.", ["route", "method", "status"], registry=registry
        )
        self.duration = Histogram(
            "api_gateway_request_duration_seconds",
            "From the arrival of a request to the end of its response.",
            ["route"],
            registry=registry,
            buckets=BUCKETS,
        )
        self.upstream = Histogram(
            "api_gateway_upstream_duration_seconds",
            "Time a request waited for response heads of a service, over all attempts.",
            ["service"],
            registry=registry,
            buckets=BUCKETS,
        )
        self.body_bytes = Counter(
            "api_gateway_response_body_bytes_total", "Bytes of response bodies.", ["route"], registry=registry
        )
        self.refusals = Counter(
            "api_gateway_refusals_total",
            "Requests that the gateway refused or that failed, by response flag.",
            ["flag", "route"],
            registry=registry,
        )
        self.in_flight = Gauge(
            "api_gateway_requests_in_flight",
            "Requests that have arrived and whose response is not finished.",
            registry=registry,
            multiprocess_mode="livesum",
        )


class _Series:
    """The children for one route, method and status, found in one look-up."""

    __slots__ = ("body_bytes", "duration", "requests")

    def __init__(self, instruments: _Instruments, route: str, method: str, status: str) -> None:
        self.requests = instruments.requests.labels(route, method, status)
        self.duration = instruments.duration.labels(route)
        self.body_bytes = instruments.body_bytes.labels(route)
