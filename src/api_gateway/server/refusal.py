"""Refusal: the answer to bytes that never became a request, and to connections that are too many.

Rule: problem details (RFC 9457), as everywhere else in the gateway, and `Connection: close`. After
a malformed message nobody can tell where the next one begins (RFC 9112 section 2.2).
"""

from __future__ import annotations

from http import HTTPStatus

from api_gateway.core.error_boundary import problem_body, problem_headers
from api_gateway.core.errors import GatewayError


def refusal(error: GatewayError) -> bytes:
    """A whole HTTP/1.1 response that says why."""
    body = problem_body(error)
    fields = [*problem_headers(body), *error.headers.pairs, (b"connection", b"close")]
    head = f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n".encode()
    return head + b"".join(b"%b: %b\r\n" % field for field in fields) + b"\r\n" + body
