"""Service calls: one step of one checkout asks one service, and finds out as much as can be known.

| happens                                                       | then               |
|---------------------------------------------------------------|--------------------|
| 2xx with JSON                                                 | done               |
| 4xx, asked once                                               | `Refused`          |
| never asked: no connection, breaker open, no endpoint         | `Refused`          |
| no answer in time, reset, cut in the middle, 5xx, not JSON    | `OutcomeUnknown`   |
| asked twice by the service's own retry, and not 2xx           | `OutcomeUnknown`   |

Rule: the last line is the one that is easily forgotten. If the first try was done and its answer lost, and the
second is refused by a breaker that has just opened, the error that arrives says "not sent". It is true of the
second try only.

Calls go through the gateway's own services: balancer, breaker, retries and timeouts are theirs. Each call has a
context of its own, because it must outlive the client's deadline.

What it does not do: try again. Steps are PUT and DELETE, which the service's own `retry` may repeat.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import NamedTuple

from api_gateway import GatewayError, Handler, Headers, Request, RequestContext, Response
from api_gateway.auth.identity_headers import identity_headers
from api_gateway.core.clock import NANOSECONDS, Clock
from api_gateway.core.upstream_errors import UpstreamError
from examples.checkout.saga import CannotUndo, OutcomeUnknown, Refused

LARGEST_ANSWER = 1024 * 1024

_PASSED_ON = ("x-request-id", "traceparent", "tracestate")
_ASK_AGAIN = frozenset({408, 425, 429})


class _Answer(NamedTuple):
    status: int
    body: bytes
    attempts: int


class ServiceCalls:
    """Calls for one client's request."""

    def __init__(
        self, services: Mapping[str, Handler], request: Request, context: RequestContext, clock: Clock, timeout: float
    ) -> None:
        """`request` and `context` are the client's; `timeout` is seconds for each call, its retries included."""
        self._services = services
        self._client = context.fork()  # the gateway goes on writing into the other one
        self._clock = clock
        self._timeout = timeout
        told = [(name, value) for name in _PASSED_ON if (value := request.header(name)) is not None]
        identity = context.identity
        who = identity_headers(identity) if identity is not None else ()
        self._headers = Headers([*told, *who])

    async def do(self, method: str, service: str, path: str, body: object = None) -> Mapping[str, object]:
        """What the service answers, a JSON object.

        Raises:
            Refused: it is certain that the service has done nothing.
            OutcomeUnknown: that is not certain.
        """
        answer = await self._ask(method, service, path, body)
        if 400 <= answer.status < 500 and answer.status != 408 and answer.attempts <= 1:
            raise Refused(f"{service} answered {answer.status}: {_reason(answer.body)}", answer.status)
        if not 200 <= answer.status < 300:
            raise OutcomeUnknown(f"{service} answered {answer.status}")
        try:
            value = json.loads(answer.body)
        except ValueError:
            raise OutcomeUnknown(f"{service}: the answer is not JSON") from None
        if not isinstance(value, dict):
            raise OutcomeUnknown(f"{service}: the answer is not a JSON object")
        return value

    async def undo(self, service: str, path: str) -> None:
        """Undo what was done at `path`, or see to it that it never will be.

        Raises:
            CannotUndo: the service refuses.
            Refused, OutcomeUnknown: another try may help.
        """
        answer = await self._ask("DELETE", service, path)
        if 200 <= answer.status < 300:
            return
        if 400 <= answer.status < 500 and answer.status not in _ASK_AGAIN:
            raise CannotUndo(f"{service} answered {answer.status}: {_reason(answer.body)}")
        raise OutcomeUnknown(f"{service} answered {answer.status}")

    async def _ask(self, method: str, service: str, path: str, body: object = None) -> _Answer:
        context = self._context()
        request = Request(method, path, self._headers)
        if body is not None:
            content = json.dumps(body).encode()
            fields = self._headers.adding("content-type", "application/json")
            request = Request(method, path, fields.adding("content-length", str(len(content))), content)
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._services[service](request, context)
                return _Answer(response.status, await _read(response), context.attempts)
        except TimeoutError:
            raise OutcomeUnknown(f"{service}: no answer within {self._timeout:g} s") from None
        except GatewayError as error:
            if _never_asked(error, context):
                raise Refused(f"{service} was not asked: {error.detail}", 503) from error
            raise OutcomeUnknown(f"{service}: {error.detail}") from error

    def _context(self) -> RequestContext:
        client, now = self._client, self._clock.monotonic()
        context = RequestContext(now, client.peer_address, client.scheme, client.http_version)
        context.client_address = client.client_address
        context.request_id = client.request_id
        context.trace_id = client.trace_id
        context.identity = client.identity
        context.deadline = now + round(self._timeout * NANOSECONDS)
        return context


def _never_asked(error: GatewayError, context: RequestContext) -> bool:
    if isinstance(error, UpstreamError):
        return not error.sent and context.attempts <= 1
    return not context.attempts


async def _read(response: Response) -> bytes:
    chunks, size = [], 0
    try:
        async for chunk in response.stream():
            size += len(chunk)
            if size > LARGEST_ANSWER:
                raise OutcomeUnknown(f"an answer of more than {LARGEST_ANSWER} bytes")
            chunks.append(chunk)
    finally:
        await response.close()
    return b"".join(chunks)


def _reason(body: bytes) -> str:
    """What a service says of its refusal, for the client to read."""
    try:
        value = json.loads(body)
    except ValueError:
        return "no reason given"
    reason = value.get("error") if isinstance(value, dict) else None
    return reason[:200] if isinstance(reason, str) else "no reason given"
