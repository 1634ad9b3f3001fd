"""Request validation: what a route does not take stops here; what it takes reaches the service as it came."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.core.error_boundary import problem_body
from api_gateway.core.errors import (
    BadRequest,
    ClientError,
    ConfigurationError,
    PayloadTooLarge,
    UnprocessableContent,
    UnsupportedMediaType,
)
from api_gateway.core.request import Body, Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.middleware.body.json_limits import JsonLimits
from api_gateway.middleware.validation.json_schema import JsonSchema
from api_gateway.middleware.validation.query_parameters import QuerySchema
from api_gateway.middleware.validation.request_validation import RequestValidationMiddleware

ORDER = JsonSchema(
    {
        "type": "object",
        "properties": {"id": {"type": "integer"}, "note": {"type": "string", "maxLength": 20}},
        "required": ["id"],
        "additionalProperties": False,
    }
)
JSON = {"content-type": "application/json"}
GOOD = b'{"id": 5, "note": "x"}'
ORDERS = RequestValidationMiddleware(body=ORDER, max_body=200, required=True)


class Upload:
    """A streamed body that notes how much of it was taken."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            self.taken += 1
            yield chunk


class Service:
    """A service that reads what it gets."""

    def __init__(self) -> None:
        self.got: list[Request] = []
        self.asked = 0

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        self.asked += 1
        body = await request.read()
        self.got.append(request.with_body(body))
        return Response(200, body=body)


async def ask(
    middleware: RequestValidationMiddleware,
    body: Body = b"",
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = JSON,
    *,
    method: str = "POST",
    target: str = "/",
    service: Service | None = None,
) -> bytes:
    response = await middleware(Request(method, target, headers, body), RequestContext(), service or Service())
    return await response.read()


async def refused(
    kind: type[ClientError],
    middleware: RequestValidationMiddleware,
    body: Body = b"",
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = JSON,
    *,
    method: str = "POST",
    target: str = "/",
) -> ClientError:
    """The error; nothing has reached the service."""
    service = Service()
    with pytest.raises(kind) as caught:
        await ask(middleware, body, headers, method=method, target=target, service=service)
    assert service.got == []
    return caught.value


@pytest.mark.parametrize("body", [GOOD, Upload(GOOD), Upload(*(GOOD[at : at + 1] for at in range(len(GOOD))))])
async def test_a_valid_body_reaches_the_service_as_the_bytes_that_came(body: Body) -> None:
    service = Service()
    assert await ask(ORDERS, body, service=service) == GOOD
    assert service.got[0].headers == Request("POST", "/", JSON).headers


@pytest.mark.parametrize(
    ("coding", "body"), [("gzip", gzip.compress(GOOD, mtime=0)), ("deflate", zlib.compress(GOOD)), ("identity", GOOD)]
)
async def test_a_compressed_body_is_inspected_and_stays_compressed(coding: str, body: bytes) -> None:
    headers = {**JSON, "content-encoding": coding, "content-length": str(len(body))}
    service = Service()
    assert await ask(ORDERS, Upload(body), headers, service=service) == body
    assert service.got[0].header("content-encoding") == coding
    wrong = b'{"id": "x"}'
    bad = {"gzip": gzip.compress(wrong), "deflate": zlib.compress(wrong), "identity": wrong}[coding]
    await refused(UnprocessableContent, ORDERS, bad, {**JSON, "content-encoding": coding})


async def test_errors_are_members_of_the_problem_and_repeat_no_value() -> None:
    body = b'{"id": "hunter2", "note": "hunter2 and a great deal more", "extra~/": 1}'
    error = await refused(UnprocessableContent, ORDERS, body)
    problem = problem_body(error)
    assert b"hunter2" not in problem
    assert json.loads(problem)["errors"] == [
        "/id: must be of type integer",
        "/note: must have at most 20 characters",
    ]
    error = await refused(UnprocessableContent, ORDERS, b'{"id": 1, "hunter2": 1}')
    assert error.members["errors"] == ['#: has unknown members: "hunter2"']
    assert "hunter2" not in error.detail  # which goes to the log


async def test_the_answer_is_bounded_whatever_the_body() -> None:
    schema = JsonSchema({"additionalProperties": {"type": "integer"}})
    body = json.dumps({str(number) + "\x01\u20ac" * 3000: "x" for number in range(30)}).encode()
    error = await refused(UnprocessableContent, RequestValidationMiddleware(body=schema, max_body=2_000_000), body)
    assert len(error.members["errors"]) == 10
    assert len(problem_body(error)) < 10_000


@pytest.mark.parametrize(
    "body",
    [b"{", b"\xff", b"\xef\xbb\xbf{}", b'{"id": 1, "id": 2}', b'{"id": NaN}', b'{"id": 1e999}', b'{"note": "\\ud800"}'],
)
async def test_a_malformed_body_is_a_bad_request(body: bytes) -> None:
    await refused(BadRequest, ORDERS, body)
    await refused(BadRequest, ORDERS, Upload(body))


async def test_depth_and_count_are_limited_without_a_schema() -> None:
    middleware = RequestValidationMiddleware(limits=JsonLimits(depth=2, items=3))
    assert await ask(middleware, b"[[1], 2]") == b"[[1], 2]"
    assert "levels deep" in (await refused(UnprocessableContent, middleware, b"[[[]]]")).detail
    assert "more than 3" in (await refused(UnprocessableContent, middleware, b"[1, 2, 3, 4]")).detail
    await refused(UnprocessableContent, middleware, b"[" * 200_000)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-16",
        'application/json; charset="ISO-8859-1"',
        "text/plain",
        "application/jsonx",
        "application/x-www-form-urlencoded",
    ],
)
async def test_another_type_or_charset_is_unsupported_before_a_byte_is_read(content_type: str) -> None:
    upload = Upload(GOOD)
    error = await refused(UnsupportedMediaType, ORDERS, upload, {"content-type": content_type})
    assert error.headers.get("accept") == "application/json, application/*+json"
    assert upload.taken == 0


@pytest.mark.parametrize("content_type", ["application/json;charset=UTF-8", "application/merge-patch+json"])
async def test_json_by_name_or_suffix_is_taken_where_nothing_else_is_said(content_type: str) -> None:
    assert await ask(ORDERS, GOOD, {"content-type": content_type}) == GOOD


async def test_no_type_is_unsupported_and_two_are_a_bad_request() -> None:
    await refused(UnsupportedMediaType, ORDERS, GOOD, {})
    await refused(BadRequest, ORDERS, GOOD, [("content-type", "application/json"), ("content-type", "text/plain")])


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "zstd", "unknown"])
async def test_a_coding_that_cannot_be_inspected_is_unsupported_before_a_byte_is_read(coding: str) -> None:
    upload = Upload(GOOD)
    error = await refused(UnsupportedMediaType, ORDERS, upload, {**JSON, "content-encoding": coding})
    assert error.headers.get("accept-encoding") == "gzip, deflate"
    assert upload.taken == 0


async def test_a_bomb_is_too_large_and_a_cut_stream_a_bad_request() -> None:
    headers = {**JSON, "content-encoding": "gzip"}
    bomb = gzip.compress(b"[" + b" " * 100_000 + b"]")
    assert len(bomb) < 200
    await refused(PayloadTooLarge, ORDERS, Upload(bomb), headers)
    await refused(BadRequest, ORDERS, gzip.compress(GOOD)[:-3], headers)
    await refused(BadRequest, ORDERS, gzip.compress(GOOD) + b"x", headers)
    await refused(BadRequest, ORDERS, GOOD, headers)


async def test_a_body_over_the_limit_is_refused_at_the_first_byte_too_many() -> None:
    upload = Upload(b" " * 150, b" " * 50, b" ", b"never")
    await refused(PayloadTooLarge, ORDERS, upload)
    assert upload.taken == 3
    announced = Upload(b"never")
    await refused(PayloadTooLarge, ORDERS, announced, {**JSON, "content-length": "201"})
    assert announced.taken == 0
    assert await ask(ORDERS, GOOD + b" " * (200 - len(GOOD)))


@pytest.mark.parametrize("length", [len(GOOD) - 1, len(GOOD) + 1])
async def test_a_stream_that_is_not_as_long_as_announced_is_a_bad_request(length: int) -> None:
    await refused(BadRequest, ORDERS, Upload(GOOD), {**JSON, "content-length": str(length)})


async def test_where_nothing_is_inspected_the_body_streams() -> None:
    middleware = RequestValidationMiddleware(content_types=["text/*"], max_body=10)
    upload = Upload(b"12345", b"6789")
    taken: list[int] = []

    async def service(request: Request, context: RequestContext) -> Response:
        taken.extend([upload.taken async for _ in request.stream()])
        return Response()

    await middleware(Request("POST", "/", {"content-type": "text/csv"}, upload), RequestContext(), service)
    assert taken == [1, 2]
    with pytest.raises(PayloadTooLarge):
        await ask(middleware, Upload(b"12345", b"67890", b"1"), {"content-type": "text/csv"})
    compressed = {"content-type": "text/csv", "content-encoding": "br"}
    assert await ask(middleware, b"not looked", compressed) == b"not looked"


@pytest.mark.parametrize("body", [b"", Upload(), Upload(b"", b"")])
@pytest.mark.parametrize("limits", [None, JsonLimits()])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_a_required_body_must_be_there(body: Body, limits: JsonLimits | None, method: str) -> None:
    middleware = RequestValidationMiddleware(limits=limits, required=True)
    error = await refused(BadRequest, middleware, body, method=method)
    assert error.detail == "A body is required here."


async def test_a_required_body_streams_on_when_it_is_there() -> None:
    assert await ask(RequestValidationMiddleware(required=True), Upload(b"", b"a", b"", b"b")) == b"ab"


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
async def test_methods_that_are_not_about_their_body_need_none_but_what_they_send_is_held_to_the_same(
    method: str,
) -> None:
    assert await ask(ORDERS, b"", {}, method=method) == b""
    assert await ask(ORDERS, GOOD, method=method) == GOOD
    await refused(UnprocessableContent, ORDERS, b"{}", method=method)
    await refused(UnsupportedMediaType, ORDERS, b"{}", {}, method=method)


async def test_an_empty_body_needs_no_type_where_none_is_required() -> None:
    middleware = RequestValidationMiddleware(body=ORDER)
    assert await ask(middleware, b"", {}) == b""
    assert await ask(middleware, Upload(), JSON) == b""


async def test_the_query_is_held_to_its_schema_before_the_body_is_read() -> None:
    schema = {
        "properties": {"page": {"type": "integer", "minimum": 1}},
        "required": ["page"],
        "additionalProperties": False,
    }
    middleware = RequestValidationMiddleware(query=QuerySchema(schema), body=ORDER)
    assert await ask(middleware, b"", {}, method="GET", target="/?page=2") == b""
    upload = Upload(GOOD)
    error = await refused(UnprocessableContent, middleware, upload, target="/?page=hunter2")
    assert error.members["errors"] == ["?page: must be of type integer"]
    assert (await refused(UnprocessableContent, middleware, target="/")).members["errors"] == ['?: lacks "page"']
    await refused(BadRequest, middleware, upload, target="/?page=%zz")
    await refused(BadRequest, middleware, upload, target="/?page=1&page=2")
    assert upload.taken == 0


async def test_a_cancelled_upload_never_reaches_the_service() -> None:
    class Broken:
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield GOOD
            raise ConnectionResetError

    service = Service()
    with pytest.raises(ConnectionResetError):
        await ask(ORDERS, Broken(), service=service)
    assert service.asked == 0


def test_a_wrong_type_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError):
        RequestValidationMiddleware(content_types=["json"])


@given(
    st.one_of(
        st.binary(max_size=300),
        st.text(alphabet='{}[]",:\\ id0e1-note', max_size=40).map(str.encode),
        st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)).map(
            lambda change: GOOD[: change[0]] + bytes([change[1]]) + GOOD[change[0] + 1 :]
        ),
    ),
    st.sampled_from([None, "gzip", "deflate", "br", "gzip, gzip", ""]),
    st.sampled_from(["application/json", "text/plain", "application/json;charset=x", "", "a/b;"]) | st.text(max_size=8),
    st.text(max_size=10) | st.text(alphabet="a=&%2;", max_size=10),
    st.booleans(),
)
async def test_whatever_comes_is_passed_on_unchanged_or_refused_as_declared(
    body: bytes, coding: str | None, content_type: str, query: str, compressed: bool
) -> None:
    middleware = RequestValidationMiddleware(body=ORDER, max_body=250, query=QuerySchema({"maxProperties": 2}))
    sent = gzip.compress(body) if compressed else body
    try:
        fields = {"content-type": content_type} | ({} if coding is None else {"content-encoding": coding})
        request = Request("POST", "/", fields, Upload(sent))._replace(query=query)
    except ValueError:
        return  # no header, as a parser sees it
    service = Service()
    try:
        response = await middleware(request, RequestContext(), service)
    except (BadRequest, PayloadTooLarge, UnsupportedMediaType, UnprocessableContent):
        assert service.asked == 0
    else:
        assert await response.read() == sent
