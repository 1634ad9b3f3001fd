"""Upstream errors: the branch of the error tree (`errors.py`) where a service gave no usable answer.

Rule: how far the request came decides whether another try is safe, so each says whether any of it was sent.

What it does not do: stand for an answer that a service did give, even a 500: that is returned, not raised.
"""

from __future__ import annotations

from api_gateway.core.errors import GatewayError


class UpstreamError(GatewayError):
    """The chosen endpoint gave no usable answer.

    `sent` says whether any byte of the request may have reached it: if not, any request is safe
    to send again elsewhere; if so, only an idempotent one is (RFC 9110 9.2.2).
    """

    status, code, title = 502, "upstream-error", "Bad gateway"

    def __init__(self, detail: str = "", *, sent: bool = True) -> None:
        super().__init__(detail)
        self.sent = sent


class ConnectFailed(UpstreamError):
    """No connection: refused, unresolvable, or its certificate is not trusted."""

    code, title, flag = "upstream-connect-failed", "The service cannot be reached", "UF"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, sent=False)


class ConnectTimeout(UpstreamError):
    """No connection within the connect timeout."""

    status, code, title, flag = 504, "upstream-connect-timeout", "The service cannot be reached in time", "UF"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, sent=False)


class UpstreamReset(UpstreamError):
    """The connection ended before the answer did."""

    code, title, flag = "upstream-reset", "The service closed the connection", "UC"


class UpstreamProtocolError(UpstreamError):
    """The answer is not valid HTTP; nothing of it is passed on."""

    code, title, flag = "upstream-protocol-error", "The service gave an invalid answer", "UPE"


class UpstreamTimeout(UpstreamError):
    """The answer did not come, or stopped coming, in time."""

    status, code, title, flag = 504, "upstream-timeout", "The service did not answer in time", "UT"
