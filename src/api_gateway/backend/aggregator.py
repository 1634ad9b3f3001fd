"""Aggregator: one answer out of several services, in the time of the longest chain instead of the sum.

    client --> aggregate --> order ----.--> customer --.
                                       |--> product 7 --|--> one JSON answer
                                       `--> product 9 --'

Rule: a part is asked as soon as what it needs is there (`aggregate_plan.py`), in a task of its own; there are no
rounds in which all wait for the slowest. Every request is a GET, because only what changes nothing may be done and
then thrown away when another part fails; it goes through the service's own breaker, retries and balancer. It has
the client's headers less those about the client's own request (body, ranges, conditions, coding).

When a part that must be there fails, all that runs is cancelled and waited for, and the answer is a problem with a
member for each failed part (`aggregate_failure.py`). It is returned and not raised: it is made of what services
answered. Where several such parts would fail, the first to fail decides; at the same moment, the first in order.

When only optional parts fail, the answer is a 200 with null in their places, `X-Partial-Response` with their names,
a member `_problems` if it is an object, and `Cache-Control: no-store`. Not 206, which is a range (RFC 9110 15.3.7).
An optional part with `for_each` has null for the elements that failed, and keeps the others.

Time: max over chains of the sum along each. Bound: `max_parallel` requests at once, `max_items` elements and
`max_body` bytes for each part.

What it does not do: write, or compensate: that is orchestration, and belongs in a service. No HTTP validators.

Source: C. Richardson, "Microservices Patterns", API composition; S. Newman, "Building Microservices", BFF.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass

from api_gateway.backend.aggregate_answer import failed, whole
from api_gateway.backend.aggregate_plan import Plan
from api_gateway.backend.aggregate_run import Run
from api_gateway.core.clock import Clock, SystemClock
from api_gateway.core.errors import MethodNotAllowed
from api_gateway.core.headers import Headers
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.xray.facts import Facts
from api_gateway.core.xray.recorder import Recorder

MAX_PARALLEL = 16

METHODS = ("GET", "HEAD")

# Of a body, which the parts' requests do not have, or a question about one representation of the whole.
_ABOUT_THE_WHOLE = frozenset(
    {
        b"accept",
        b"accept-charset",
        b"accept-encoding",
        b"digest",
        b"expect",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"range",
        b"repr-digest",
        b"transfer-encoding",
        b"want-content-digest",
        b"want-repr-digest",
    }
)
_FOR_PARTS = [(b"accept", b"application/json"), (b"accept-encoding", b"identity")]


@dataclass(slots=True)
class PartCounts:
    """What became of one part, over all requests."""

    answered: int = 0
    failed: int = 0
    duration: int = 0
    """Nanoseconds, summed, from when what it needs was there."""


class Aggregator:
    """An aggregate as a Handler."""

    __slots__ = ("_clock", "_handlers", "_max_parallel", "counts", "name", "partial", "plan")

    counts: Mapping[str, PartCounts]
    """By part. A part that was cancelled, or never asked, counts nowhere."""
    partial: int
    """Answers that lacked an optional part."""

    def __init__(
        self,
        name: str,
        plan: Plan,
        services: Mapping[str, Handler],
        clock: Clock | None = None,
        *,
        max_parallel: int = MAX_PARALLEL,
    ) -> None:
        """Make a handler of a plan.

        Args:
            name: for the log and the context, as a service's.
            plan: the parts.
            services: whoever is asked, by the names that the parts give; looked up once, here.
            clock: tells the time to deadlines and measurements.
            max_parallel: requests that run at once for one client's request.
        """
        self.name = name
        self.plan = plan
        self._handlers = {part.name: services[part.service] for part in plan.parts}
        self._clock = clock or SystemClock()
        self._max_parallel = max_parallel
        self.counts = {part.name: PartCounts() for part in plan.parts}
        self.partial = 0

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        """Ask all parts and answer with what they make together.

        Raises:
            MethodNotAllowed: the method is neither GET nor HEAD.
        """
        return await self._answer(self._handlers, request, context)

    def watched(self, recorder: Recorder, services: Mapping[str, Handler]) -> Handler:
        """See `Watchable`."""

        def answer(request: Request, context: RequestContext) -> Awaitable[Response]:
            handlers = {part.name: services[part.service] for part in self.plan.parts}
            return self._answer(handlers, request, context)

        return recorder.step(self, answer)

    async def state_for(self, request: Request, context: RequestContext) -> Facts:
        """The plan: each part, and what it waits for."""
        return {"plan": self.plan.explained}

    async def _answer(self, handlers: Mapping[str, Handler], request: Request, context: RequestContext) -> Response:
        if request.method not in METHODS:
            raise MethodNotAllowed([*METHODS])
        run = Run(
            self.plan,
            handlers,
            request.with_headers(headers_for_parts(request.headers)),
            context,
            self._clock,
            self.counts,
            max_parallel=self._max_parallel,
        )
        await run.to_the_end()
        context.service = self.name
        if run.broken:
            response = failed(self.plan, run.failures, context)
        else:
            self.partial += bool(run.failures)
            response = whole(self.plan, run.values, run.failures, run.headers, context)
        if request.method == "HEAD":
            return Response(response.status, response.headers)
        return response

    def __repr__(self) -> str:
        return f"<Aggregator {self.name} of {len(self.plan.parts)} parts>"


def headers_for_parts(headers: Headers) -> Headers:
    """The client's headers as far as they concern the parts."""
    kept = [pair for pair in headers.pairs if pair[0] not in _ABOUT_THE_WHOLE and not pair[0].startswith(b"content-")]
    return Headers.from_pairs(kept + _FOR_PARTS)
