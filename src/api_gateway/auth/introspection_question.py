"""Introspection question: one token, put to the provider (RFC 7662 2.1).

    POST /introspect HTTP/1.1
    authorization: Basic ...                     who asks
    content-type: application/x-www-form-urlencoded

    token=...&token_type_hint=access_token

Rule: a question is nobody's request. It has a context of its own, because many may wait for it, and whoever caused it
may leave; the time that it may take is its own, too. Client id and secret are form-encoded before they are joined
(RFC 6749 2.3.1), as an id with a colon would be another id with another secret.

Bound: one timeout for question and answer together; 64 KiB of answer, whatever the provider sends.

What it does not do: read the answer (`introspection_answer.py`), or ask twice.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from urllib.parse import quote_plus, urlencode

from api_gateway.auth.introspection_answer import UnusableAnswer
from api_gateway.auth.provider_answer import bounded_body
from api_gateway.core.clock import NANOSECONDS, Clock
from api_gateway.core.headers import Headers
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response

LARGEST_ANSWER = 64 * 1024
"""Bytes."""


class IntrospectionQuestion:
    """How one provider is asked."""

    __slots__ = ("_clock", "_provider", "_template", "_timeout")

    def __init__(
        self, provider: Handler, path: str, client_id: str, client_secret: str, *, timeout: float, clock: Clock
    ) -> None:
        """`path` may have a query; `timeout` in seconds."""
        self._provider = provider
        self._template = Request("POST", path, _headers(client_id, client_secret))
        self._timeout = timeout
        self._clock = clock

    async def ask(self, token: str) -> bytes:
        """The body of the provider's 200.

        Raises:
            UnusableAnswer: another status, too long an answer, or none in time.
            GatewayError: the provider cannot be reached, or is left alone.
        """
        now = self._clock.monotonic()
        context = RequestContext(now)
        # For the circuit breaker: who hangs until the timeout has failed (`middleware/timed_out.py`).
        context.deadline = now + round(self._timeout * NANOSECONDS)
        form = urlencode({"token": token, "token_type_hint": "access_token"})
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._provider(self._template.with_body(form.encode("ascii")), context)
                try:
                    return await _body(response)
                finally:
                    await response.close()
        except TimeoutError:
            raise UnusableAnswer(f"no answer in {self._timeout:g} s") from None


def _headers(client_id: str, client_secret: str) -> Headers:
    credentials = f"{quote_plus(client_id)}:{quote_plus(client_secret)}".encode("ascii")
    return Headers(
        {
            "authorization": "Basic " + b64encode(credentials).decode("ascii"),
            "content-type": "application/x-www-form-urlencoded",
            "accept": "application/json",
            "accept-encoding": "identity",
        }
    )


async def _body(response: Response) -> bytes:
    if response.status != 200:
        raise UnusableAnswer(f"it answered with status {response.status}")
    body = await bounded_body(response, LARGEST_ANSWER)
    if body is None:
        raise UnusableAnswer(f"its answer is longer than {LARGEST_ANSWER // 1024} KiB")
    return body
