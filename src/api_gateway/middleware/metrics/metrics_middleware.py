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

Cost: about 1.5 us a request, because it counts in plain integers; the library makes its metrics of
them when somebody scrapes. Its own counters and histograms took 4 us (`make bench`, pipeline).

What it does not do: expose itself (the admin application does), compute quantiles, know of other
processes (`server/metrics_sum.py` adds theirs), or tell limits apart (`rate_limit/metrics.py`).

Source: Prometheus, naming and histogram practices.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Iterator
from functools import partial
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

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

_BOUNDS = tuple(round(bound * NANOSECONDS) for bound in BUCKETS)


class MetricsMiddleware(Observer):
    """Counts requests, and shows the counts in `registry`."""

    __slots__ = ("_clock", "_counts", "registry")

    registry: CollectorRegistry
    """Where the metrics are; hand it to the exposition."""

    def __init__(self, registry: CollectorRegistry | None = None, clock: Clock | None = None) -> None:
        """`registry` is a new one unless given.

        Raises:
            ValueError: `registry` holds another instance's metrics already.
        """
        self.registry = registry if registry is not None else CollectorRegistry()
        self._clock = clock or SystemClock()
        self._counts = _Counts()
        self.registry.register(self._counts)

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Answer, and count."""
        self._counts.in_flight += 1
        try:
            response = await call_next(request, context)
        except (asyncio.CancelledError, ClientDisconnected):
            self._count(request.method, context, CLIENT_GONE_STATUS, 0, CLIENT_GONE_FLAG)
            raise
        except BaseException:
            self._counts.in_flight -= 1
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
        counts = self._counts
        counts.in_flight -= 1
        name = context.route
        route = counts.routes.get(name) or counts.routes.setdefault(name, _RouteCounts())
        route.body_bytes += size
        route.durations.observe(self._clock.monotonic() - context.started)
        key = (method, status)
        if key in route.requests:
            route.requests[key] += 1
        else:
            route.count_first(method, status)
        if context.attempts:
            service = context.service
            upstream = counts.upstream.get(service) or counts.upstream.setdefault(service, _Durations())
            upstream.observe(context.upstream_duration)
        if flag != "-":
            counts.refusals[flag, name] = counts.refusals.get((flag, name), 0) + 1


class _Durations:
    """A histogram of nanoseconds; the last bucket has no upper bound."""

    __slots__ = ("buckets", "total")

    def __init__(self) -> None:
        self.buckets = [0] * (len(_BOUNDS) + 1)
        self.total = 0

    def observe(self, duration: int) -> None:
        self.buckets[bisect_left(_BOUNDS, duration)] += 1
        self.total += duration

    def add_to(self, family: HistogramMetricFamily, label: str) -> None:
        names = [*map(floatToGoString, BUCKETS), "+Inf"]
        cumulated = [(name, float(count)) for name, count in zip(names, accumulate(self.buckets), strict=True)]
        family.add_metric([label], cumulated, self.total / NANOSECONDS)


class _RouteCounts:
    """What is counted for one route."""

    __slots__ = ("body_bytes", "durations", "requests")

    def __init__(self) -> None:
        self.requests: dict[tuple[str, int], int] = {}
        self.durations = _Durations()
        self.body_bytes = 0

    def count_first(self, method: str, status: int) -> None:
        """Count a pair that is new, or made up: those share one series, not one each."""
        key = (method if method in KNOWN_METHODS else "OTHER", status if 100 <= status <= 599 else 0)
        self.requests[key] = self.requests.get(key, 0) + 1


class _Counts(Collector):
    """All counts, as the library collects them."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.routes: dict[str, _RouteCounts] = {}
        self.upstream: dict[str, _Durations] = {}
        self.refusals: dict[tuple[str, str], int] = {}

    def describe(self) -> Iterator[Metric]:
        """The names, so that a registry refuses a second set."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand."""
        requests = CounterMetricFamily(
            "api_gateway_requests", "Finished requests.", labels=["route", "method", "status"]
        )
        durations = HistogramMetricFamily(
            "api_gateway_request_duration_seconds",
            "From the arrival of a request to the end of its response.",
            labels=["route"],
        )
        body_bytes = CounterMetricFamily(
            "api_gateway_response_body_bytes", "Bytes of response bodies.", labels=["route"]
        )
        for name, route in self.routes.items():
            label = name or NO_ROUTE
            for (method, status), count in route.requests.items():
                requests.add_metric([label, method, str(status) if status else "OTHER"], count)
            route.durations.add_to(durations, label)
            body_bytes.add_metric([label], route.body_bytes)
        yield from (requests, durations, body_bytes)
        upstream = HistogramMetricFamily(
            "api_gateway_upstream_duration_seconds",
            "Time a request waited for response heads of a service, over all attempts.",
            labels=["service"],
        )
        for service, waits in self.upstream.items():
            waits.add_to(upstream, service)
        yield upstream
        refusals = CounterMetricFamily(
            "api_gateway_refusals",
            "Requests that the gateway refused or that failed, by response flag.",
            labels=["flag", "route"],
        )
        for (flag, name), count in self.refusals.items():
            refusals.add_metric([flag, name or NO_ROUTE], count)
        yield refusals
        yield GaugeMetricFamily(
            "api_gateway_requests_in_flight",
            "Requests that have arrived and whose response is not finished.",
            value=self.in_flight,
        )
