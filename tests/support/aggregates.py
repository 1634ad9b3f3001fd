"""Aggregates to test: services whose answers are looked up by path, and a plan out of YAML's spelling.

shop = Shop({"/orders/7": {"user_id": 3}}, delay=0.2)
response = await aggregate({"order": {"service": "s", "path": "/orders/{id}"}}, shop)(request, context)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from api_gateway import Request, RequestContext, Response
from api_gateway.backend.aggregator import Aggregator
from api_gateway.config.aggregate_schema import AggregateConfig, PartConfig
from api_gateway.core.clock import Clock
from api_gateway.core.identity import Identity
from api_gateway.simulation import VirtualClock

ORDER_DETAILS: Mapping[str, Mapping[str, object]] = {
    "order": {"service": "order-service", "path": "/orders/{id}"},
    "customer": {
        "service": "user-service",
        "path": "/users/{order.user_id}",
        "optional": True,
        "timeout": "500ms",
    },
    "products": {"service": "product-service", "path": "/products/{item.product_id}", "for_each": "order.items"},
}
"""The contract's example."""
ORDER_DETAILS_SHAPE = "{order: order, customer: customer.name, products: products[*].title}"

DATA: Mapping[str, object] = {
    "/orders/7": {"id": 7, "user_id": 3, "items": [{"product_id": 1}, {"product_id": 2}, {"product_id": 1}]},
    "/users/3": {"id": 3, "name": "Ann"},
    "/products/1": {"id": 1, "title": "Cup"},
    "/products/2": {"id": 2, "title": "Pot"},
}

Behaviour = Callable[[Request, RequestContext], Response]


class Shop:
    """A Handler that takes its time, and remembers who asked, and how many at once."""

    def __init__(
        self,
        answers: Mapping[str, object],
        *,
        delay: float = 0.2,
        delays: Mapping[str, float] | None = None,
        farewell: float = 0.0,
    ) -> None:
        """`answers` and `delays` by target; an answer is JSON, a Response, an error to raise, or a function.

        `farewell` is how many seconds pass until a call that was cancelled is over.
        """
        self.answers = dict(answers)
        self.delay = delay
        self.delays = dict(delays or {})
        self.farewell = farewell
        self.asked: list[str] = []
        self.requests: list[Request] = []
        self.contexts: list[RequestContext] = []
        self.in_flight = self.most_in_flight = self.cancelled = 0
        self.open_bodies = self.chunks = 0

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        self.asked.append(request.target)
        self.requests.append(request)
        self.contexts.append(context)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.delays.get(request.target, self.delay))
        except asyncio.CancelledError:
            self.cancelled += 1
            if self.farewell:
                await asyncio.sleep(self.farewell)
            raise
        finally:
            self.in_flight -= 1
        answer = self.answers.get(request.target, Response.json({"error": f"no {request.target}"}, 404))
        if callable(answer):
            answer = answer(request, context)
        if isinstance(answer, BaseException):
            raise answer
        return answer if isinstance(answer, Response) else Response.json(answer)

    def streamed(self, chunks: Sequence[bytes], *, pause: float = 0.0, failure: Exception | None = None) -> Behaviour:
        """An answer whose body comes in pieces, and whose closing is counted."""

        async def body() -> AsyncIterator[bytes]:
            for chunk in chunks:
                await asyncio.sleep(pause)
                self.chunks += 1
                yield chunk
            if failure is not None:
                raise failure

        def answer(request: Request, context: RequestContext) -> Response:
            response = Response(200, {"content-type": "application/json"}, body())
            self.open_bodies += 1

            def closed() -> None:
                self.open_bodies -= 1

            response.on_close(closed)
            return response

        return answer


def aggregate(
    parts: Mapping[str, Mapping[str, object]],
    shop: Shop,
    response: str | None = None,
    *,
    parameters: Sequence[str] = ("id",),
    clock: Clock | None = None,
    max_parallel: int = 16,
) -> Aggregator:
    """An aggregate whose services are all `shop`; in the running loop's time unless told otherwise."""
    checked = {name: PartConfig.model_validate(options) for name, options in parts.items()}
    config = AggregateConfig(checked, response, max_parallel)
    assert not [*config.check(("routes", 0), parameters, ())], "a test's plan has no mistakes"
    services = {part.service: shop for part in checked.values()}
    return Aggregator(
        "/api/order-details/{id}",
        config.plan(parameters),
        services,
        clock or VirtualClock(),
        max_parallel=max_parallel,
    )


def context_for(
    *, identity: Identity | None = None, deadline: float | None = None, **parameters: str
) -> RequestContext:
    """A context with these path parameters; `deadline` in seconds of the loop's time."""
    context = RequestContext()
    context.path_parameters = parameters
    context.identity = identity
    context.deadline = None if deadline is None else round(deadline * 1e9)
    return context
