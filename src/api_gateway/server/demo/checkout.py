"""Checkout: the example in `examples/checkout`, as one more service behind the demo's gateway.

    POST /            who calls is what the gateway says: X-User-Id, which no client can send through it
    GET /books        what is reserved, charged, ordered and shipped, and what needs a human

Rule: it is a service of its own, because a gateway is no place for what must not be forgotten half-way (the
example's README says what would be lost). The example is no part of this package: it is there when the services are
started in the project's directory, and the demo goes without it elsewhere.

What it does not do: share the shop's data. The example has carts, stock and cards of its own, in memory, and they
cannot fail; `python -m examples.checkout --lose payments` shows what happens when they do.
"""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import asdict
from importlib.util import find_spec

from starlette.types import ASGIApp

from api_gateway.core.asgi import AsgiApplication
from api_gateway.core.clock import SystemClock
from api_gateway.core.error_boundary import error_boundary
from api_gateway.core.identity import Identity
from api_gateway.core.middleware import chain
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response


def checkout_is_there() -> bool:
    """Whether the example can be imported."""
    try:
        return find_spec("examples.checkout.services") is not None
    except ImportError:
        return False


def checkout_application(customer: str) -> ASGIApp:
    """The service, with two carts of `customer`'s."""
    from examples.checkout.checkout import Checkout
    from examples.checkout.saga_log import MemorySagaLog
    from examples.checkout.services import Shop

    shop, log = Shop(customer), MemorySagaLog()
    checkout = Checkout(shop.services, log=log)

    async def answer(request: Request, context: RequestContext) -> Response:
        if (request.method, request.path) == ("GET", "/books"):
            books = {**shop.books(), "needs_human": [asdict(entry) for entry in log.needs_human]}
            return Response(200, [("content-type", "application/json")], json.dumps(books).encode() + b"\n")
        if (request.method, request.path) != ("POST", "/"):
            return Response.json({"error": "this takes POST / and GET /books"}, 404)
        if caller := request.header("x-user-id"):
            context.identity = Identity(caller, "introspection")
        return await checkout(request, context)

    return AsgiApplication(chain([error_boundary], answer), SystemClock(), nullcontext())
