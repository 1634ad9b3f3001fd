"""Request id: one name for one request, in every log on its way.

Rule: a sane `X-Request-ID` from the client is kept (so that its own log can be matched), anything
else is replaced by 128 random bits. It goes to the service and back to the client. Beside it the
W3C trace context: a valid `traceparent` is continued with a new span id, otherwise a trace is
started and a `tracestate` that belongs to none is dropped.

The random source is injected: a seeded one makes a simulation repeatable. Ids are for finding
things, not for secrets.

Cost: one pass over the headers. What it does not do: record or export spans.

Source: W3C Trace Context, sections 3.2 and 3.3.
"""

from __future__ import annotations

import re
from random import Random

from api_gateway.core.headers import HeaderPairs, Headers
from api_gateway.core.middleware import Handler, Observer
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response

_SANE_ID = re.compile(r"[A-Za-z0-9_\-.:/+=]{1,128}")
# 55 characters in version 00; later versions may append. Version ff and ids of zeros are invalid.
_TRACEPARENT = re.compile(
    r"(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-.*)?"
)
_KNOWN_FLAGS = 0b11  # sampled, random trace id; all others must be sent as zero
_DRAW_SIZE = 24  # 16 bytes for the request and its trace, 8 for the span
_DRAWS_AT_ONCE = 64
_OURS = frozenset({b"x-request-id", b"traceparent", b"tracestate"})


class RequestIdMiddleware(Observer):
    """Gives each request an id and a place in a trace."""

    __slots__ = ("_drawn", "_randbytes")

    def __init__(self, random: Random | None = None) -> None:
        self._randbytes = (random or Random()).randbytes
        self._drawn: list[str] = []

    def _draw(self) -> str:
        """24 random bytes in hexadecimal. Drawn for many requests at once, which costs a third."""
        if not self._drawn:
            digits = self._randbytes(_DRAW_SIZE * _DRAWS_AT_ONCE).hex()
            length = 2 * _DRAW_SIZE
            self._drawn = [digits[start : start + length] for start in range(0, len(digits), length)]
        return self._drawn.pop()

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Set `context.request_id` and `context.trace_id`; send both on, and the id back."""
        # One draw for both ids: a request without a past is named like the trace it starts.
        drawn = self._draw()
        request_id = trace_id = drawn[:32]
        flags = "01"
        pairs = request.headers.pairs
        if _any_of_ours(pairs):
            request_id = _given_id(request.headers) or request_id
            trace_id, flags, pairs = _continued(request.headers, trace_id)
        context.request_id = request_id
        context.trace_id = trace_id
        id_pair = (b"x-request-id", request_id.encode())
        traceparent = (b"traceparent", f"00-{trace_id}-{drawn[32:]}-{flags}".encode())
        response = await call_next(request.with_headers(Headers.from_pairs([*pairs, id_pair, traceparent])), context)
        sent = response.headers.pairs
        if _any_of_ours(sent):
            sent = [pair for pair in sent if pair[0] != b"x-request-id"]
        response.headers = Headers.from_pairs([*sent, id_pair])
        return response


def _any_of_ours(pairs: HeaderPairs) -> bool:
    for name, _ in pairs:  # noqa: SIM110  # any() makes a generator, twice the cost
        if name in _OURS:
            return True
    return False


def _given_id(headers: Headers) -> str | None:
    given = headers.get("x-request-id", "")
    return given if given and _SANE_ID.fullmatch(given) else None


def _continued(headers: Headers, new_trace_id: str) -> tuple[str, str, HeaderPairs]:
    """Trace id, flags, and the headers to keep: the client's trace if it is valid, else a new one."""
    pairs = [pair for pair in headers.pairs if pair[0] not in _OURS]
    traceparents = headers.get_all("traceparent")
    known = _TRACEPARENT.fullmatch(traceparents[0]) if len(traceparents) == 1 else None
    if known is None:
        return new_trace_id, "01", pairs
    pairs += [pair for pair in headers.pairs if pair[0] == b"tracestate"]
    return known.group(1), f"{int(known.group(2), 16) & _KNOWN_FLAGS:02x}", pairs
