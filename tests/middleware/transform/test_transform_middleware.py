"""Transform: bodies and headers together, streams, retries, and the way through a gateway."""

from __future__ import annotations

import json
from random import Random

import pytest

from api_gateway import ApiGateway, Route, Router
from api_gateway.core.errors import (
    ConfigurationError,
    UnsupportedMediaType,
)
from api_gateway.core.middleware import chain
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.middleware.retry import RetryMiddleware
from api_gateway.middleware.transform.header_transform import HeaderTransform
from api_gateway.middleware.transform.request_body_transform import RequestBodyTransform
from api_gateway.middleware.transform.response_body_transform import ResponseBodyTransform
from api_gateway.middleware.transform.template import Template
from api_gateway.middleware.transform.transform_middleware import TransformMiddleware
from api_gateway.resilience.backoff import Backoff
from api_gateway.simulation import VirtualClock, run
from tests.support.attempts import Scripted
from tests.support.transforms import (
    CLOCK,
    JOINED,
    JSON,
    Service,
    Stream,
    answer,
    ask,
    body_transform,
    got,
)


async def test_the_seeds_answer_without_internal_headers() -> None:
    remove = HeaderTransform(
        on_request=False, remove=["X-Internal-*", "Server"], set={"X-Id": Template("{request_id}")}
    )
    middleware = TransformMiddleware(
        CLOCK, response_body=ResponseBodyTransform(body_transform(JOINED)), response_headers=remove
    )
    response = await got(middleware, answer(x_internal_node="n1", server="nginx", x_kept="1", content_length="70"))
    body = await response.read()
    assert json.loads(body) == {"id": 123, "joined": "Jan 15, 2024"}
    assert dict(response.headers) == {
        "content-type": "application/json",
        "x-kept": "1",
        "content-length": str(len(body)),
        "x-id": "r-1",
    }


async def test_the_seeds_request_headers() -> None:
    headers = HeaderTransform(
        on_request=True, set={"X-Request-Id": Template("{request_id}")}, remove=["x-debug"], rename={"x-old": "x-new"}
    )
    service = Service()
    await ask(TransformMiddleware(CLOCK, request_headers=headers), service, b"a", {"x-debug": "1", "x-old": "2"})
    assert dict(service.asked.headers) == {"x-new": "2", "x-request-id": "r-1"}
    assert service.asked.body == b"a"


async def test_an_endless_event_stream_flows_where_headers_are_changed() -> None:
    stream = Stream(b"data: 1\n\n", endless=True)
    headers = HeaderTransform(on_request=False, remove=["server"])
    service = Service(Response(200, {"content-type": "text/event-stream", "server": "x"}, stream))
    response = await ask(TransformMiddleware(CLOCK, response_headers=headers), service)
    assert stream.taken == 0
    assert response.headers.get("server") is None
    events = response.stream()
    assert [await anext(events) for _ in range(3)] == [b"data: 1\n\n"] * 3
    assert stream.taken == 3
    await response.close()
    assert service.closed == 1


async def test_templates_speak_of_the_request_as_it_came() -> None:
    headers = HeaderTransform(on_request=True, set={"x-type": Template("{header.accept-encoding}")})
    back = HeaderTransform(on_request=False, set={"x-echo": Template("{header.x-type} {method}")})
    middleware = TransformMiddleware(
        CLOCK,
        request_headers=headers,
        response_headers=back,
        response_body=ResponseBodyTransform(body_transform("@")),
    )
    service = Service(answer(b"1"))
    response = await ask(middleware, service, headers={"accept-encoding": "br", "x-type": "mine"}, method="GET")
    assert service.asked.header("x-type") == "br"
    assert response.header("x-echo") == "mine GET"


async def test_a_type_that_is_set_does_not_decide_whether_the_body_is_changed() -> None:
    headers = HeaderTransform(on_request=True, set={"content-type": Template("application/vnd.shop+json")})
    body = RequestBodyTransform(body_transform("@"))
    service = Service()
    middleware = TransformMiddleware(CLOCK, request_headers=headers, request_body=body)
    with pytest.raises(UnsupportedMediaType):
        await ask(middleware, service, b"1", {"content-type": "text/plain"})
    await ask(middleware, service, b"1")
    assert service.asked.header("content-type") == "application/vnd.shop+json"


def test_nothing_to_change_is_a_mistake() -> None:
    with pytest.raises(ConfigurationError):
        TransformMiddleware(CLOCK)


def test_a_changed_request_can_be_sent_again() -> None:
    async def main() -> None:
        clock = VirtualClock()
        retry = RetryMiddleware(3, Backoff(1, 1, Random(1)), None, clock=clock)
        transform = RequestBodyTransform(body_transform("snake_case(@)"))
        middleware = TransformMiddleware(clock, request_body=transform)
        service = Scripted(503, 503, 200, reads_body=True)
        request = Request("PUT", "/", JSON, Stream(b'{"userId"', b": 1}"))
        response = await chain([middleware, retry], service)(request, RequestContext())
        assert response.status == 200
        assert service.bodies == [b'{"user_id":1}'] * 3
        assert transform.transformed == 1
        await response.close()

    run(main)


async def test_through_a_gateway_errors_are_problems_and_keep_their_details() -> None:
    async def users(request: Request, context: RequestContext) -> Response:
        return Response.json({"user_id": request.path, "created_at": "secret"})

    headers = HeaderTransform(on_request=False, set={"x-user": Template("{path.id}"), "x-route": Template("{route}")})
    transform = TransformMiddleware(
        CLOCK,
        request_body=RequestBodyTransform(body_transform("snake_case(@)")),
        response_body=ResponseBodyTransform(body_transform("{id: user_id, on: format_date(joined, '%Y')}")),
        response_headers=headers,
    )
    strict = TransformMiddleware(CLOCK, response_body=ResponseBodyTransform(body_transform(JOINED)))
    router = Router(
        [
            Route("/users/{id}", "users", middleware=[transform]),
            Route("/strict", "users", middleware=[strict]),
        ]
    )
    async with ApiGateway(router, {"users": users}) as gateway:
        response = await gateway.handle(Request("GET", "/users/5%20a"))
        assert (response.header("x-user"), response.header("x-route")) == ("5%20a", "/users/{id}")
        assert json.loads(await response.read()) == {"id": "/users/5%20a", "on": None}
        response = await gateway.handle(Request("POST", "/users/5", JSON, b'{"a": 1, "a": 2}'))
        problem = json.loads(await response.read())
        assert (response.status, problem["code"]) == (400, "bad-request")
        assert "the same name twice" in problem["detail"]
        assert response.header("x-user") is None
        response = await gateway.handle(Request("GET", "/strict"))
        problem = json.loads(await response.read())
        assert (response.status, problem["code"]) == (502, "transform-failed")
        assert "detail" not in problem
