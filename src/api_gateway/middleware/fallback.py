"""Fallback: an answer that is good enough, instead of a failure.

    fallback: {status: 200, json: {recommendations: []}}          a stated answer
    fallback: {service: recommendations-static, on: [circuit_open, 503]}

Rule: for the failures of `on` (`failures.py`; any 5xx of the gateway's own unless given) somebody else answers: a
`StatedResponse`, or another service. An error of the client's (4xx) is never hidden, and neither is a defect of the
gateway: both would go on unseen. The answer of a service is replaced only where its status is listed.

Whoever looks can tell. The answer has `x-gateway-fallback: true`, because a client, or a cache between, must be
able to know an empty list from a list that could not be had; a stated answer is `no-store` unless it says otherwise.
In the log the flag and the error stay those of the failure, beside the status that the client got.

Another service gets the request itself, so it must still be possible to send it, and right: not where a streamed
body has been begun, and not where a request that is not idempotent may have reached the first service. Then the
failure stays. What the other service says counts, even if it fails too.

Outermost among the middleware of a service: it stands in for what is left when retries and breaker are done. A
deadline that is further out ends a fallback too; set the service's timeouts below it.

Cost: 0.2 us for a request that succeeds.

What it does not do: remember the last good answer (a cache that may serve stale does), or make failures fewer.

Source: Hystrix, fallback; RFC 5861 section 4 for what a cache does instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from api_gateway.core.errors import ClientError, GatewayError
from api_gateway.core.headers import Headers, HeadersLike
from api_gateway.core.middleware import Handler
from api_gateway.core.request import IDEMPOTENT_METHODS, Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.upstream_errors import UpstreamError
from api_gateway.core.xray.facts import Facts
from api_gateway.middleware.failures import REFUSALS, SERVICE_FAILURES, Failures
from api_gateway.middleware.repeatable import UntouchedBody

MARK = "x-gateway-fallback"
"""The header of an answer that is not what was asked for."""

FAILURE_NAMES = (*SERVICE_FAILURES, *REFUSALS)
"""What `on` may name, beside statuses."""


class StatedResponse:
    """A Handler that always says the same."""

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> None:
        fields = Headers(headers)
        self._status = status
        self._headers = fields if "cache-control" in fields else fields.setting("cache-control", "no-store")
        self._body = body

    @classmethod
    def json(cls, value: object, status: int = 200, headers: HeadersLike = ()) -> StatedResponse:
        """With `value` as its JSON body; raises TypeError where it cannot be written as JSON."""
        fields = Headers(headers).setting("content-type", "application/json")
        return cls(status, fields, json.dumps(value, ensure_ascii=False).encode())

    async def __call__(self, request: Request, context: RequestContext) -> Response:
        """The response, a new one each time."""
        return Response(self._status, self._headers, self._body)


class FallbackMiddleware:
    """Lets somebody else answer where there would be a failure."""

    __slots__ = ("_answer", "_failures", "_forwards", "fallbacks")

    fallbacks: int
    """Failures that were replaced."""

    def __init__(self, answer: Handler, *, on: Iterable[str | int] = (), forwards: bool | None = None) -> None:
        """Replace failures by what `answer` says.

        Args:
            answer: a `StatedResponse`, or a service.
            on: the failures; every error of the gateway's own unless given.
            forwards: whether `answer` sends the request on; all but a `StatedResponse` do.

        Raises:
            ValueError: `on` has something that is not a failure.
        """
        failures = tuple(on)
        self._answer = answer
        self._failures = Failures(failures, FAILURE_NAMES) if failures else None
        self._forwards = not isinstance(answer, StatedResponse) if forwards is None else forwards
        if self._failures is not None and any(status < 500 for status in self._failures.statuses):
            raise ValueError("a fallback hides no error of the client's: write statuses from 500 on")
        self.fallbacks = 0

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """The answer, or the one instead of it."""
        if self._forwards and not isinstance(request.body, bytes):
            request = request.with_body(UntouchedBody(request.body))
        try:
            response = await call_next(request, context)
        except ClientError:
            raise
        except GatewayError as error:
            if self._failures is not None and not self._failures.include(error):
                raise
            arrived = error.sent if isinstance(error, UpstreamError) else context.attempts > 0
            if not self._possible(request, arrived):
                raise
            flag, detail = error.flag, error.detail
        else:
            if self._failures is None or response.status not in self._failures.statuses:
                return response
            if not self._possible(request, arrived=True):
                return response
            await response.close()
            flag, detail = context.flag, f"the service answered {response.status}"
        return await self._instead(flag, detail, request, context)

    async def state_for(self, request: Request, context: RequestContext) -> Facts:
        """For which failures somebody else answers, who that is, and whether this request could be sent again."""
        failures = self._failures
        return {
            "on": "any 5xx of the gateway's own" if failures is None else failures.listed,
            "instead": "another service" if self._forwards else "a stated answer",
            "once it was sent": self._possible(request, arrived=True),
        }

    def _possible(self, request: Request, arrived: bool) -> bool:
        if not self._forwards:
            return True
        if isinstance(request.body, UntouchedBody) and request.body.touched:
            return False
        return not arrived or request.method in IDEMPOTENT_METHODS

    async def _instead(self, flag: str, detail: str, request: Request, context: RequestContext) -> Response:
        self.fallbacks += 1
        context.flag, context.error = flag, f"{detail}; a fallback answered"
        response = await self._answer(request, context)
        response.headers = response.headers.setting(MARK, "true")
        return response
