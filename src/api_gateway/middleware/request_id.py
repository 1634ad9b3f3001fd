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

from api_gateway.core.headers import Headers
from api_gateway.core.middleware import Handler, Observer
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response

_SANE_ID = re.compile(rb"[A-Za-z0-9_\-.:/+=]{1,128}")
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-.*)?")


class RequestIdMiddleware(Observer):
    """Gives each request an id and a place in a trace."""

    __slots__ = ("_random",)

    def __init__(self, random: Random | None = None) -> None:
        self._random = random or Random()

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Set `context.request_id` and `context.trace_id`; send both on, and the id back."""
        request_id = traceparent = b""
        pairs = []
        tracestate = None
        for pair in request.headers.pairs:
            name = pair[0]
            if name == b"x-request-id":
                request_id = request_id or pair[1]
            elif name == b"traceparent":
                traceparent = pair[1] if not traceparent else b"repeated"
            elif name == b"tracestate":
                tracestate = pair
            else:
                pairs.append(pair)
        if not _SANE_ID.fullmatch(request_id):
            request_id = b"%032x" % self._random.getrandbits(128)
        known = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
        if known is None:
            trace_id, flags = b"%032x" % self._nonzero(128), b"01"
        else:
            trace_id, flags = known.group(1), known.group(2)
            if tracestate is not None:
                pairs.append(tracestate)
        context.request_id = request_id.decode("ascii")
        context.trace_id = trace_id.decode("ascii")
        pairs.append((b"x-request-id", request_id))
        pairs.append((b"traceparent", b"00-%b-%016x-%b" % (trace_id, self._nonzero(64), flags)))
        response = await call_next(request.with_headers(Headers.from_pairs(pairs)), context)
        sent = [pair for pair in response.headers.pairs if pair[0] != b"x-request-id"]
        sent.append((b"x-request-id", request_id))
        response.headers = Headers.from_pairs(sent)
        return response

    def _nonzero(self, bits: int) -> int:
        return self._random.getrandbits(bits) or 1
