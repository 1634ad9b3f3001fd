"""Handler, Middleware, chain: the one shape everything in the gateway has.

    Handler:     async (request, context) -> response
    Middleware:  async (request, context, call_next) -> response

Rule: a middleware may answer itself, change the request, call the next handler (never, once, or
several times), and change the response. `chain` wraps a handler in middleware, first one
outermost, once, when the gateway is built.

Cost: one coroutine for each layer. The link between two layers is a plain function that returns
the next layer's coroutine, so it adds no frame of its own to await.

What it does not do: order the layers (that is `build.py`'s part) or catch errors.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import FunctionType
from typing import Protocol, TypeAlias

from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response

Handler: TypeAlias = Callable[[Request, RequestContext], Awaitable[Response]]
"""Anything that answers a request: a service, a route, the router, the gateway itself."""


class Middleware(Protocol):
    """A layer around a handler. Functions fit as well as objects with `__call__`."""

    def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Awaitable[Response]:
        """Answer `request`, usually by awaiting `call_next(request, context)`."""
        ...


Chain: TypeAlias = Callable[[Sequence[Middleware], Handler], Handler]
"""Puts layers around a handler: `chain`, or what watches between the layers (`core/xray/recorder.py`)."""


class Observer:
    """Base of a middleware that only watches: it belongs outside the error boundary.

    There it sees every answer with its final status, refusals included. `ApiGateway` sorts the
    observers of its list before the boundary and everything else behind it.
    """

    __slots__ = ()


def chain(middleware: Sequence[Middleware], handler: Handler) -> Handler:
    """`handler` inside `middleware`; the first of the list is the outermost layer."""
    for layer in reversed(middleware):
        handler = _link(layer, handler)
    return handler


def _link(layer: Middleware, call_next: Handler) -> Handler:
    # An object is called through its method, found once: to find it for each call takes twice as long as the call.
    call = layer if isinstance(layer, FunctionType) else layer.__call__

    def handle(request: Request, context: RequestContext) -> Awaitable[Response]:
        return call(request, context, call_next)

    return handle
