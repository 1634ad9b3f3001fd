"""Edge events: what the edge itself refuses, told to the stream of security events.

| what                                                        | event                                     |
|-------------------------------------------------------------|-------------------------------------------|
| bytes that never became a request, a malformed body         | malformed, whatever the status            |
| a connection over a limit                                   | limit_exceeded                            |

Rule: the client is the peer, because only a request can say what a proxy knows. Of a request target only the path is
told, as far as it has come, and the method only once the head is complete. There is no request id yet.

Where nobody listens to the stream, a line in the log `api_gateway.edge` must do.

What it does not do: report a body that comes too slowly. That is raised to whoever reads it, and is a request's.
"""

from __future__ import annotations

import logging

from api_gateway.core.errors import GatewayError
from api_gateway.core.security_events import EventName, SecurityEvent, SecurityEvents
from api_gateway.middleware.access_log_format import safe_path, without_path_parameters

_log = logging.getLogger("api_gateway.edge")


def report_refusal(
    events: SecurityEvents | None, name: EventName, error: GatewayError, peer: str, method: str, target: bytes
) -> None:
    """Report that `error` was answered to `peer`; `target` is what has come of the request's."""
    if events is None:
        _log.info("refused %s: %d %s", peer or "-", error.status, error.detail)
        return

    def described() -> SecurityEvent:
        path = target.partition(b"?")[0].decode("latin-1")
        return SecurityEvent(
            client=peer,
            method=method,
            path=safe_path(path) if path else "",
            code=error.code,
            status=error.status,
            detail=without_path_parameters(error.detail),
        )

    events.report(name, "", described)
