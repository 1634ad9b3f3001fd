"""A transform with a service behind it that notes what it was asked, and how its answer ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from api_gateway.core.clock import ManualClock
from api_gateway.core.request import Body, Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.middleware.transform.body_transform import BodyTransform
from api_gateway.middleware.transform.expression import Expression
from api_gateway.middleware.transform.request_body_transform import RequestBodyTransform
from api_gateway.middleware.transform.response_body_transform import ResponseBodyTransform
from api_gateway.middleware.transform.transform_middleware import TransformMiddleware

CLOCK = ManualClock(wall=1_705_314_600.0)


JSON = {"content-type": "application/json"}


JOINED = "{id: user_id, joined: format_date(created_at, '%b %-d, %Y')}"


USER = b'{"user_id": 123, "created_at": "2024-01-15T10:30:00Z", "internal": 1}'


def body_transform(text: str, max_body: int = 1000) -> BodyTransform:
    return BodyTransform(Expression(text), CLOCK, max_body=max_body)


def on_requests(
    text: str = "merge(snake_case(@), {request_id: request_id(), timestamp: now()})",
) -> TransformMiddleware:
    return TransformMiddleware(CLOCK, request_body=RequestBodyTransform(body_transform(text)))


def on_answers(text: str = JOINED, *, pass_on: bool = False, max_body: int = 1000) -> TransformMiddleware:
    body = ResponseBodyTransform(body_transform(text, max_body), pass_on_failure=pass_on)
    return TransformMiddleware(CLOCK, response_body=body)


def counts(middleware: TransformMiddleware) -> tuple[int, int, int]:
    body = middleware.request_body or middleware.response_body
    assert body is not None
    return body.transformed, body.passed_through, body.failed


class Stream:
    """A body that comes in chunks, fails where a chunk is an error, and notes how it ended."""

    def __init__(self, *chunks: bytes | Exception, endless: bool = False) -> None:
        self.chunks = chunks
        self.endless = endless
        self.taken = 0
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while True:
                for chunk in self.chunks:
                    self.taken += 1
                    if isinstance(chunk, Exception):
                        raise chunk
                    yield chunk
                if not self.endless:
                    return
        finally:
            self.closed = True


class Service:
    """Gives one answer, and notes what it was asked."""

    def __init__(self, answer: Response | None = None) -> None:
        self.answer = answer or Response(200)
        self.asked: Request = Request("GET", "/nothing")
        self.closed = 0

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        self.asked = request
        self.answer.on_close(self._close)
        return self.answer

    def _close(self) -> None:
        self.closed += 1


async def ask(
    middleware: TransformMiddleware,
    service: Service,
    body: Body = b"",
    headers: Mapping[str, str] = JSON,
    *,
    method: str = "POST",
) -> Response:
    context = RequestContext()
    context.request_id = "r-1"
    return await middleware(Request(method, "/users/5", headers, body), context, service)


async def got(middleware: TransformMiddleware, answer: Response, headers: Mapping[str, str] | None = None) -> Response:
    return await ask(middleware, Service(answer), headers=headers or {}, method="GET")


def answer(body: Body = USER, status: int = 200, **headers: str) -> Response:
    fields = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Response(status, fields, body)
