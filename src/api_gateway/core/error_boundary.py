"""Error boundary: the one place where an error becomes a response.

Rule: everything inside raises; here, once, a `GatewayError` is rendered as problem details
(RFC 9457, `application/problem+json`). Any other exception is a defect: its traceback goes to the
log, and the client gets a bare 500. The detail of a 5xx stays in the log, because it tells an
outsider about addresses and timings inside.

What it does not do: touch a response that a backend returned, even a 500: that *is* the answer.
Nor does it catch cancellation or a client that has gone, for nobody is left to read the answer.
"""

from __future__ import annotations

import json
import logging

from api_gateway.core.errors import ClientDisconnected, GatewayError, InternalError
from api_gateway.core.headers import Headers
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response

_log = logging.getLogger("api_gateway.errors")

PROBLEM_TYPE = "urn:api-gateway:problem:"
"""Prefix of the gateway's own problem types; the error's `code` follows."""


async def error_boundary(request: Request, context: RequestContext, call_next: Handler) -> Response:
    """Middleware: turn whatever is raised further in into a response."""
    try:
        response = await call_next(request, context)
        if not 200 <= response.status <= 599:
            await response.close()
            raise ValueError(f"a handler answered with status {response.status}")
        return response
    except GatewayError as error:
        return render(error, context)
    except ClientDisconnected:
        raise
    except Exception as error:
        _log.exception("defect while handling %s %s (request %s)", request.method, request.path, context.request_id)
        return render(InternalError(f"{type(error).__name__}: {error}"), context)


def render(error: GatewayError, context: RequestContext) -> Response:
    """The response to `error`; records in `context` who failed and why."""
    context.flag = error.flag
    context.error = error.detail
    context.error_code = error.code
    return Response(
        error.status,
        Headers.from_pairs([*problem_headers(body := problem_body(error, context.request_id)), *error.headers.pairs]),
        body,
    )


def problem_body(error: GatewayError, request_id: str = "") -> bytes:
    """Problem details as JSON. For 5xx the detail is left out."""
    problem: dict[str, object] = {
        "type": error.problem_type or PROBLEM_TYPE + error.code,
        "title": error.title,
        "status": error.status,
        "code": error.code,
    }
    if error.status < 500:
        problem["detail"] = error.detail
    if request_id:
        problem["request_id"] = request_id
    problem.update(error.members)
    return json.dumps(problem).encode()


def problem_headers(body: bytes) -> list[tuple[bytes, bytes]]:
    """The headers that go with a problem body; never cached unless somebody says so."""
    return [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
