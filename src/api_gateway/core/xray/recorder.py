"""Recorder: composes the gateway a second time, of the same objects, with somebody watching between them.

    chain:      layer -> layer -> handler
    recorder:   watch -> layer -> watch -> layer -> watch -> handler

Rule: every layer and every handler at the end of a chain gets a watch in front of it. The watch notes what comes in
and what goes out, and asks for the state before and after (`facts.py`). Whatever lies between two watches is one
layer's doing, so who found out what needs no word from the layers (`changes.py`). They are the objects that serve
everybody else: a token that is spent is spent.

Which step a call belongs to is a context variable, so tasks that a layer starts, for a hedge or for the parts of an
aggregate, lie inside it, too.

Cost: none for requests that nobody looks at: their chain is another one. The time of the watches themselves is taken
out of the durations; where calls run side by side, it cannot be told apart, and what they show is too little.

What it does not do: watch bodies. A step ends when the head is there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from contextvars import ContextVar
from typing import Protocol, runtime_checkable

from api_gateway.core.clock import Clock
from api_gateway.core.middleware import Handler, Middleware
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.xray.open_step import OpenStep, Stopwatch
from api_gateway.core.xray.xray import XRay

_calling: ContextVar[OpenStep | None] = ContextVar("_calling", default=None)


@runtime_checkable
class Watchable(Protocol):
    """A router, or a service, with layers of its own."""

    def watched(self, recorder: Recorder, services: Mapping[str, Handler]) -> Handler:
        """The same, composed by `recorder`, over `services`, which may still be added until it is asked."""
        ...


class Recorder:
    """Composes what can be watched."""

    __slots__ = ("_clock",)

    def __init__(self, clock: Clock) -> None:
        """`clock` measures the steps."""
        self._clock = clock

    def chain(self, middleware: Sequence[Middleware], handler: Handler) -> Handler:
        """As `core.middleware.chain`, every layer watched; `handler` is not."""
        for layer in reversed(middleware):
            handler = self._link(layer, handler)
        return handler

    def step(self, subject: object, handler: Handler) -> Handler:
        """`handler` watched, as what `subject` does."""

        async def watch(request: Request, context: RequestContext) -> Response:
            caller = _calling.get()
            if caller is None or caller.closed:  # a task that outlives the request it was started for
                return await handler(request, context)
            step = caller.enter(subject, request, context)
            token = _calling.set(step)
            response: Response | None = None
            error: BaseException | None = None
            try:
                await step.begin()
                response = await handler(request, context)
                return response
            except BaseException as raised:
                error = raised
                raise
            finally:
                _calling.reset(token)
                await step.end(response, error)
                caller.came_back(response, error)

        return watch

    def services(self, services: Mapping[str, Handler]) -> Mapping[str, Handler]:
        """All services watched, with what stands around each."""
        watched: dict[str, Handler] = {}
        for name, service in services.items():
            if isinstance(service, Watchable):
                watched[name] = service.watched(self, watched)
            else:
                watched[name] = self.step(service, service)
        return watched

    async def record(self, handler: Handler, request: Request, context: RequestContext) -> XRay:
        """Let a watched handler answer, and say how it came to its answer."""
        outside = OpenStep(self, request, context, Stopwatch(self._clock))
        token = _calling.set(outside)
        try:
            response = await handler(request, context)
        finally:
            _calling.reset(token)
            outside.closed = True
        return XRay(request, response, outside.inner[0].as_step())

    def _link(self, layer: Middleware, call_next: Handler) -> Handler:
        def handle(request: Request, context: RequestContext) -> Awaitable[Response]:
            return layer(request, context, call_next)

        return self.step(layer, handle)
