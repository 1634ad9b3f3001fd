"""Outcome: how a request ended, told in one way by the access log and the metrics.

Rule: a refusal has been recorded in the context by the error boundary. A body that did not reach
its end says why: a `GatewayError` has a flag, any other error is a defect, and without an error it
was the client that left (`DC`, downstream closed).

What it does not do: tell whether the client has read what was sent. Nobody can.

Source: Envoy, access log response flags; nginx for 499.
"""

from __future__ import annotations

from api_gateway.core.errors import ClientDisconnected, GatewayError, InternalError
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response

CLIENT_GONE_STATUS = 499
"""In logs and metrics: the client left before there was a status to send."""

CLIENT_GONE_FLAG = "DC"
"""The client closed the connection."""


def outcome(response: Response, context: RequestContext) -> tuple[str, str]:
    """The flag and the error of a response that is finished; `-` and empty if all went well."""
    if response.complete:
        return context.flag, context.error
    failure = response.failure
    if isinstance(failure, GatewayError):
        return failure.flag, failure.detail
    if failure is None or isinstance(failure, ClientDisconnected):
        return CLIENT_GONE_FLAG, "the client left before the end of the response"
    return InternalError.flag, f"{type(failure).__name__}: {failure}"
