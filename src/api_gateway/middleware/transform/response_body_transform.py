"""Response body transform: the document that a service gives, as clients get it.

Rule: an answer is transformed if its status is one of `statuses` and its type is JSON; every other one streams through
untouched. One that should have been transformed and cannot be is `TransformFailed`, 502, unless the configuration says
to pass it on: what a transform takes out must not get around it because a date was malformed.

So that there is something to transform, and once only:

| of the request         | to the service                                                                           |
|------------------------|------------------------------------------------------------------------------------------|
| Accept-Encoding        | gzip where the client takes it, else identity: what can be decoded here                  |
| Range, If-Range        | dropped, as RFC 9110 14.2 allows: a range of the old body would be that, untransformed   |
| If-None-Match          | the tags made here as the service knows them (`body/entity_tag.py`)                      |

| of the answer          | to the client                                                                            |
|------------------------|------------------------------------------------------------------------------------------|
| Content-Length         | of the new body; none for HEAD and 304, which have no body to measure                    |
| Content-Encoding       | dropped: what is sent is identity                                                        |
| digests, Accept-Ranges | dropped: they were of the old body                                                       |
| ETag                   | weak, and this transform's own                                                           |
| Last-Modified, others  | kept                                                                                     |

Cost: `body_transform.py`; for others a look at status and type. Bound: twice `max_body` and what reading takes.

What it does not do: heed `no-transform`, which is said to proxies that clients choose; a gateway is the origin to them.

Source: RFC 9110 sections 3.7, 7.7, 8.6, 8.8.1, 12.5.3, 14.2 and 15.4.5.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, Collection
from typing import cast

from api_gateway.core.errors import BadRequest, ClientError, GatewayError
from api_gateway.core.headers import HeaderPairs, Headers
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.middleware.body.content_coding import content_coding
from api_gateway.middleware.body.entity_tag import for_service, transformed_tag
from api_gateway.middleware.body.media_type import MediaType, parse_media_type
from api_gateway.middleware.body.replayed_body import ReplayedBody
from api_gateway.middleware.transform.body_transform import CHARSETS, BodyTransform
from api_gateway.middleware.transform.request_body_transform import DESCRIPTIONS

SUCCESSES = frozenset(range(200, 300))
"""The statuses whose bodies are transformed where none are named."""
NEVER = frozenset({204, 205, 206, 304})
"""Statuses without a body, or with a part of one."""

_log = logging.getLogger("api_gateway.transform")

_OF_OLD_BODY = DESCRIPTIONS | {b"accept-ranges"}
_ASKED_ANEW = frozenset({b"accept-encoding", b"if-range", b"range"})
_GZIP = re.compile(r"(?:^|[,\s])(?:x-)?gzip\s*(?:$|,|;\s*q=(?!0(?:\.0*)?\s*(?:$|,)))", re.IGNORECASE)


class TransformFailed(GatewayError):
    """A service's answer is not what is transformed, and may not be passed on as it is (RFC 9110 15.6.3)."""

    status, code, title, flag = 502, "transform-failed", "The service's answer cannot be passed on", "UPE"


class ResponseBodyTransform:
    """Changes the bodies of answers."""

    __slots__ = ("_pass_on", "_statuses", "_transform", "failed", "passed_through", "transformed")

    transformed: int
    """Answers whose body was changed."""
    passed_through: int
    """Answers that were not meant, by their status or type, or had no body."""
    failed: int
    """Answers that were meant, and could not be changed."""

    def __init__(
        self, transform: BodyTransform, *, statuses: Collection[int] = SUCCESSES, pass_on_failure: bool = False
    ) -> None:
        """`pass_on_failure` passes on what cannot be transformed, as it is."""
        self._transform = transform
        self._statuses = frozenset(statuses) - NEVER
        self._pass_on = pass_on_failure
        self.transformed = self.passed_through = self.failed = 0

    def asked(self, request: Request) -> Request:
        """The request as the service has to see it, so that its answer can be transformed."""
        headers = for_service(request.headers, self._transform.name)
        pairs: HeaderPairs = [pair for pair in headers.pairs if pair[0] not in _ASKED_ANEW]
        accepted = ", ".join(headers.get_all("accept-encoding"))
        pairs.append((b"accept-encoding", b"gzip" if accepted and _GZIP.search(accepted) else b"identity"))
        return request.with_headers(Headers.from_pairs(pairs))

    async def apply(self, response: Response, request: Request, context: RequestContext) -> Response:
        """The answer to `request`, which is as the client sent it, with its body changed.

        Raises:
            TransformFailed: it cannot be, and may not be passed on; the answer is closed then.
        """
        if response.status == 304:
            response.headers = self._described(response.headers, _tags(request))
            return response
        media_type = _media_type(response.headers)
        if response.status not in self._statuses or media_type is None or not media_type.is_json:
            self.passed_through += 1
            return response
        if request.method == "HEAD":
            response.headers = self._described(response.headers)
            return response
        return await self._changed(response, media_type, context)

    async def _changed(self, response: Response, media_type: MediaType, context: RequestContext) -> Response:
        limit = self._transform.max_body
        if _announced(response) > limit:
            return await self._failed(f"The body is larger than {limit} bytes.", response, context)
        response, whole = await _read(response, limit)
        if not whole:
            return await self._failed(f"The body is larger than {limit} bytes.", response, context)
        if response.body == b"":
            self.passed_through += 1
            return response
        try:
            if media_type.charset not in CHARSETS:
                raise BadRequest("The body is in another charset than UTF-8.")
            coding = content_coding(response.headers)
            body = self._transform.apply(cast("bytes", response.body), coding, context)
        except ClientError as error:
            return await self._failed(error.detail, response, context)
        self.transformed += 1
        response.body = body
        length = (b"content-length", str(len(body)).encode())
        response.headers = Headers.from_pairs([*self._described(response.headers).pairs, length])
        return response

    async def _failed(self, why: str, response: Response, context: RequestContext) -> Response:
        self.failed += 1
        what = "passed on as it is" if self._pass_on else "refused"
        _log.warning(
            "the answer of %s is %s: %s (request %s)", context.route or "a service", what, why, context.request_id
        )
        if self._pass_on:
            return response
        await response.close()
        raise TransformFailed(why)

    def _described(self, headers: Headers, kept_tags: str = "") -> Headers:
        """The headers without what is true of the old body only; a tag in `kept_tags` is one of an unchanged body."""
        pairs: HeaderPairs = []
        for name, value in headers.pairs:
            if name == b"etag":
                unchanged = value.removeprefix(b"W/").decode("latin-1") in kept_tags
                tag = None if unchanged else transformed_tag(value, self._transform.name)
                if tag is not None or kept_tags:
                    pairs.append((name, tag or value))
            elif name not in _OF_OLD_BODY:
                pairs.append((name, value))
        return Headers.from_pairs(pairs)


async def _read(response: Response, limit: int) -> tuple[Response, bool]:
    """The answer with its body in memory, and whether that is all of it; else it streams on, from its beginning."""
    if isinstance(response.body, bytes):
        return response, len(response.body) <= limit
    stream = cast("AsyncGenerator[bytes, None]", response.stream())
    content = bytearray()
    async for chunk in stream:
        content += chunk
        if len(content) > limit:
            return Response(response.status, response.headers, ReplayedBody(bytes(content), stream)), False
    return Response(response.status, response.headers, bytes(content)), True


def _announced(response: Response) -> int:
    length = response.header("content-length") or ""
    return int(length) if length.isascii() and length.isdecimal() and len(length) < 20 else 0


def _media_type(headers: Headers) -> MediaType | None:
    value = headers.get("content-type")
    try:
        return None if value is None else parse_media_type(value)
    except BadRequest:
        return None


def _tags(request: Request) -> str:
    return ", ".join(request.headers.get_all("if-none-match"))
