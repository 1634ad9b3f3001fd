"""Transform metrics: one number for each list, direction and result."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from api_gateway.core.clock import ManualClock
from api_gateway.core.errors import ClientError
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.middleware.transform.body_transform import BodyTransform
from api_gateway.middleware.transform.expression import Expression
from api_gateway.middleware.transform.metrics import TransformMetrics
from api_gateway.middleware.transform.request_body_transform import RequestBodyTransform
from api_gateway.middleware.transform.response_body_transform import ResponseBodyTransform
from api_gateway.middleware.transform.transform_middleware import TransformMiddleware


async def answer(request: Request, context: RequestContext) -> Response:
    return Response.json({"a": 1})


async def test_what_became_of_bodies_is_counted_by_owner_and_direction() -> None:
    clock = ManualClock()
    transform = BodyTransform(Expression("a"), clock)
    both = TransformMiddleware(
        clock, request_body=RequestBodyTransform(transform), response_body=ResponseBodyTransform(transform)
    )
    registry, metrics = CollectorRegistry(), TransformMetrics()
    metrics.watch("/users", both)
    metrics.watch("/users", TransformMiddleware(clock, response_body=ResponseBodyTransform(transform)))
    registry.register(metrics)
    await both(Request("POST", "/", {"content-type": "application/json"}, b"{}"), RequestContext(), answer)
    await both(Request("GET", "/"), RequestContext(), answer)
    with pytest.raises(ClientError):
        await both(Request("POST", "/", {"content-type": "application/json"}, b"{"), RequestContext(), answer)

    def value(direction: str, result: str) -> float | None:
        labels = {"owner": "/users", "direction": direction, "result": result}
        return registry.get_sample_value("api_gateway_body_transforms_total", labels)

    assert [value("request", result) for result in ("transformed", "passed_through", "failed")] == [1, 1, 1]
    assert [value("response", result) for result in ("transformed", "passed_through", "failed")] == [2, 0, 0]
