"""Security events of requests: what the gateway refused, found by the answer's code and status.

Rule: an event is what the gateway itself refused; a 401 that a service answers is the service's. It is an observer,
and so hears of every refusal, whichever layer made it, plugins' too. The code decides, else the status:

| code, status                                 | event                  |
|----------------------------------------------|------------------------|
| 401                                          | authentication_refused |
| address-denied                               | address_denied         |
| 403                                          | forbidden              |
| 400, 408, 413, 414, 415, 417, 422, 431       | malformed              |
| 429                                          | limit_exceeded         |
| identity-unavailable                         | identity_unavailable   |

The path is the canonical one, or as it came if that is what was wrong with it. The client is as it is known when the
request is refused: before trusted proxies are heard (a request that has no single reading) it is the peer.

Cost: a layer, 0.2 us, for a request that is not refused.

What it does not do: see bytes that never became a request. The edge reports these (`server/edge_protocol.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial

from api_gateway.core.canonical_path import canonical_path
from api_gateway.core.errors import AddressDenied, BadRequest, IdentityUnavailable
from api_gateway.core.middleware import Handler, Middleware, Observer
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.security_events import LONGEST_FIELD, EventName, SecurityEvent, SecurityEvents
from api_gateway.middleware.access_log_format import safe_path, without_path_parameters

_BY_CODE: Mapping[str, EventName] = {
    AddressDenied.code: "address_denied",
    IdentityUnavailable.code: "identity_unavailable",
}
_BY_STATUS: Mapping[int, EventName] = {
    401: "authentication_refused",
    403: "forbidden",
    429: "limit_exceeded",
    **dict.fromkeys((400, 408, 413, 414, 415, 417, 422, 431), "malformed"),
}
_ABOUT_THE_CALLER: frozenset[EventName] = frozenset({"forbidden", "limit_exceeded"})


class SecurityEventsMiddleware(Observer):
    """Reports refusals to `events`."""

    __slots__ = ("events",)

    events: SecurityEvents
    """The gateway's stream; the edge reports into the same."""

    def __init__(self, events: SecurityEvents | None = None) -> None:
        """`events` is a new stream unless given."""
        self.events = events or SecurityEvents()

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Answer, and report what was refused."""
        response = await call_next(request, context)
        if context.error_code:
            self._report(request, context, response.status)
        return response

    def _report(self, request: Request, context: RequestContext, status: int) -> None:
        name = _BY_CODE.get(context.error_code) or _BY_STATUS.get(status)
        if name is not None:
            self.events.report(name, context.route, partial(_described, request, context, status, name))


def security_events_of(middleware: Iterable[Middleware]) -> SecurityEvents | None:
    """The stream that a gateway with this middleware reports into; None if it does not."""
    return next((layer.events for layer in middleware if isinstance(layer, SecurityEventsMiddleware)), None)


def _described(request: Request, context: RequestContext, status: int, name: EventName) -> SecurityEvent:
    identity = context.identity if name in _ABOUT_THE_CALLER else None
    return SecurityEvent(
        client=context.client_address,
        method=request.method,
        path=_shown_path(request.path),
        request_id=context.request_id,
        trace_id=context.trace_id,
        subject=identity.subject if identity is not None else "",
        code=context.error_code,
        status=status,
        detail=without_path_parameters(context.error[: 2 * LONGEST_FIELD]),
    )


def _shown_path(path: str) -> str:
    with suppress(BadRequest):  # perhaps that is why it was refused
        path = canonical_path(path)
    return safe_path(path)
