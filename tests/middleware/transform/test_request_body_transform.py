"""Request body transform: the seeds' request, and what never reaches a service."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping

import pytest

from api_gateway.core.errors import (
    BadRequest,
    ClientError,
    Forbidden,
    PayloadTooLarge,
    UnprocessableContent,
    UnsupportedMediaType,
)
from api_gateway.core.request import Body, Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from tests.support.transforms import (
    JSON,
    Service,
    Stream,
    ask,
    counts,
    on_requests,
)


async def test_the_seeds_request() -> None:
    service = Service()
    middleware = on_requests()
    await ask(middleware, service, b'{ "userId": 123 }')
    sent = {"user_id": 123, "request_id": "r-1", "timestamp": "2024-01-15T10:30:00.000Z"}
    assert json.loads(await service.asked.read()) == sent
    assert counts(middleware) == (1, 0, 0)


async def test_a_changed_request_has_true_headers_and_a_repeatable_body() -> None:
    compressed = gzip.compress(b'{"userId": 1}')
    headers = {
        **JSON,
        "content-encoding": "gzip",
        "content-length": str(len(compressed)),
        "content-digest": "sha-256=:x:",
        "digest": "x",
        "repr-digest": "x",
        "content-md5": "x",
        "accept": "a/b",
    }
    service = Service()
    await ask(on_requests("snake_case(@)"), service, Stream(compressed[:5], compressed[5:]), headers)
    assert service.asked.body == b'{"user_id":1}'
    assert dict(service.asked.headers) == {**JSON, "accept": "a/b", "content-length": "13"}


async def test_a_chunked_request_gets_its_length() -> None:
    service = Service()
    await ask(on_requests("@"), service, Stream(b"[", b"1]"))
    assert (service.asked.body, service.asked.header("content-length")) == (b"[1]", "3")


@pytest.mark.parametrize("body", [b"", Stream()])
async def test_a_request_without_a_body_is_left_alone(body: Body) -> None:
    service, middleware = Service(), on_requests()
    await ask(middleware, service, body)
    assert service.asked.body == b""
    assert counts(middleware) == (0, 1, 0)


@pytest.mark.parametrize(
    ("body", "headers", "error"),
    [
        (b"{", JSON, BadRequest),
        (b'{"a":1,"a":2}', JSON, BadRequest),
        (b'"\xff"', JSON, BadRequest),
        (b"{}", {}, UnsupportedMediaType),
        (b"{}", {"content-type": "text/plain"}, UnsupportedMediaType),
        (b"{}", {"content-type": "application/json; charset=latin-1"}, UnsupportedMediaType),
        (b"{}", {"content-type": "application/json; charset=utf-8; charset=utf-8"}, BadRequest),
        (b"{}", {**JSON, "content-encoding": "br"}, UnsupportedMediaType),
        (b"{}", {**JSON, "content-encoding": "gzip"}, BadRequest),
        (b"[" * 40 + b"]" * 40, JSON, UnprocessableContent),
        (b"[1]", JSON, UnprocessableContent),
        (b'"%b"' % (b"a" * 1000), JSON, PayloadTooLarge),
        (Stream(b'"', b"a" * 1000), JSON, PayloadTooLarge),
        (Stream(b"{}"), {**JSON, "content-length": "1001"}, PayloadTooLarge),
        (Stream(b"{}"), {**JSON, "content-length": "3"}, BadRequest),
    ],
)
async def test_what_cannot_be_changed_never_reaches_the_service(
    body: Body, headers: Mapping[str, str], error: type[ClientError]
) -> None:
    service, middleware = Service(), on_requests()
    with pytest.raises(error):
        await ask(middleware, service, body, headers)
    assert service.asked.path == "/nothing"
    assert counts(middleware) == (0, 0, 1)


async def test_a_refusal_further_in_is_not_a_failed_transform() -> None:
    async def refuse(request: Request, context: RequestContext) -> Response:
        raise Forbidden

    middleware = on_requests("@")
    with pytest.raises(Forbidden):
        await middleware(Request("POST", "/", JSON, b"1"), RequestContext(), refuse)
    assert counts(middleware) == (1, 0, 0)
