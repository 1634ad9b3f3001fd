"""Request body transform: the document that a client sends, as the service wants it.

| what comes                                | answer                                                            |
|-------------------------------------------|-------------------------------------------------------------------|
| no body                                   | passed on as it is                                                |
| no type, one that is not JSON, a charset  | 415                                                               |
| a coding other than gzip and deflate      | 415                                                               |
| not JSON, ambiguous, badly compressed     | 400                                                               |
| too large, or too large afterwards        | 413                                                               |
| too deep, too much, not what is expected  | 422                                                               |

Rule: what cannot be transformed is never passed on: the service behind expects the other form, and what a transform
takes out is not to get around it. The service gets complete bytes, so it can be asked twice; `Content-Length` is
theirs, and what described the old ones (coding, digests) is dropped.

What it does not do: anything for bodies that are empty, whatever the method.

Source: RFC 9110 sections 8.4, 8.6, 15.5.14, 15.5.16, 15.5.21; RFC 9530 (digests).
"""

from __future__ import annotations

from api_gateway.core.errors import ClientError, UnsupportedMediaType
from api_gateway.core.headers import HeaderPairs, Headers
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.middleware.body.content_coding import content_coding
from api_gateway.middleware.body.media_type import AcceptedTypes
from api_gateway.middleware.body.whole_body import whole_body
from api_gateway.middleware.transform.body_transform import CHARSETS, BodyTransform

DESCRIPTIONS = frozenset(
    {b"content-digest", b"content-encoding", b"content-length", b"content-md5", b"digest", b"repr-digest"}
)
"""Fields that speak of the very bytes of a body."""

_JSON = AcceptedTypes(("application/json", "application/*+json"))


class RequestBodyTransform:
    """Changes the bodies of requests."""

    __slots__ = ("_transform", "failed", "passed_through", "transformed")

    transformed: int
    """Requests whose body was changed."""
    passed_through: int
    """Requests without one."""
    failed: int
    """Requests refused for what their body is."""

    def __init__(self, transform: BodyTransform) -> None:
        self._transform = transform
        self.transformed = self.passed_through = self.failed = 0

    async def apply(self, request: Request, context: RequestContext) -> Request:
        """The request with its body changed; reads it.

        Raises:
            ClientError: it cannot be; see the module's table.
        """
        if request.body == b"":
            self.passed_through += 1
            return request
        try:
            return await self._changed(request, context)
        except ClientError:
            self.failed += 1
            raise

    async def _changed(self, request: Request, context: RequestContext) -> Request:
        media_type = _JSON.check(request.headers)
        if media_type.charset not in CHARSETS:
            raise UnsupportedMediaType("JSON is UTF-8, and no other charset.", headers=_JSON.headers)
        coding = content_coding(request.headers)
        body = await whole_body(request, self._transform.max_body)
        if not body:
            self.passed_through += 1
            return request.with_body(b"")
        body = self._transform.apply(body, coding, context)
        self.transformed += 1
        pairs: HeaderPairs = [pair for pair in request.headers.pairs if pair[0] not in DESCRIPTIONS]
        pairs.append((b"content-length", str(len(body)).encode()))
        return request.with_headers(Headers.from_pairs(pairs)).with_body(body)
