"""Errors: the tree of everything the gateway itself can refuse or fail at.

    GatewayError
    |-- ClientError                    4xx: the request cannot be served as it is
    |   |-- BadRequest             400
    |   |-- Unauthenticated        401   nobody has proved who is calling
    |   |-- Forbidden              403   it is known who is calling, and they may not
    |   |-- AddressDenied          403
    |   |-- CallerUnknown          403
    |   |-- NotFound               404
    |   |-- MethodNotAllowed       405
    |   |-- RequestTimeout         408
    |   |-- PayloadTooLarge        413
    |   |-- TargetTooLong          414
    |   |-- UnsupportedMediaType   415
    |   |-- ExpectationFailed      417
    |   |-- UnprocessableContent   422
    |   |-- RateLimited            429
    |   `-- HeadersTooLarge        431
    |-- UpstreamError                  a service did not give an answer (`upstream_errors.py`)
    |   |-- ConnectFailed          502   refused, unresolvable, bad certificate
    |   |-- UpstreamReset          502   closed before or during its answer
    |   |-- UpstreamProtocolError  502   answered with something that is not HTTP
    |   |-- ConnectTimeout         504
    |   `-- UpstreamTimeout        504
    |-- NoHealthyEndpoint          503
    |-- CircuitOpen                503   the service is left alone for a while
    |-- Overloaded                 503   more at once than the gateway or the service can do
    |-- LimitsUnavailable          503
    |-- IdentityUnavailable        503   whoever could say who is calling is out of reach
    |-- DeadlineExceeded           504
    `-- InternalError              500   a defect of the gateway; details stay in its log

Rule: the gateway *raises* its own refusals and *returns* what a backend answered, even a 500.
Retries and breakers need that difference: a returned 404 is an answer, a raised 502 is none.

Each error carries a status for the client, a machine-readable `code`, and the response `flag`
that the access log shows (Envoy's scheme of two letters or a few more, so the log says who failed).

What it does not do: render. `core/error_boundary.py` turns an error into a response.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, TypeAlias

from api_gateway.core.headers import Headers

ProblemMembers: TypeAlias = Mapping[str, Sequence[str]]
"""Members of a problem beside the standard ones (RFC 9457 3.2)."""

_REGISTERED = "https://iana.org/assignments/http-problem-types#"
_NO_MEMBERS: ProblemMembers = {}


class GatewayError(Exception):
    """A refusal or failure that the gateway answers itself.

    `detail` is one sentence for the person reading the response; it must not name secrets. For
    5xx it is kept in the log and replaced by the title for the client.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal error"
    flag: ClassVar[str] = "-"
    problem_type: ClassVar[str] = ""
    """A registered problem type; empty for the gateway's own, which is made of the code."""
    members: ProblemMembers = _NO_MEMBERS

    def __init__(self, detail: str = "", *, headers: Headers | None = None) -> None:
        """`headers` are added to the response, for example `Allow` or `Retry-After`."""
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.headers = headers or Headers()


class ClientError(GatewayError):
    """The request cannot be served as it is; repeating it unchanged will not help."""

    status = 400


class BadRequest(ClientError):
    """The request is malformed or ambiguous (RFC 9110 15.5.1)."""

    status, code, title, flag = 400, "bad-request", "Bad request", "DPE"


class Unauthenticated(ClientError):
    """Nobody has proved who is calling (RFC 9110 15.5.2).

    The flag is Envoy's for a refusal by its external authorization.
    """

    status, code, title, flag = 401, "unauthenticated", "Authentication is needed", "UAEX"

    def __init__(self, detail: str = "", *, challenges: Sequence[str]) -> None:
        """`challenges` each become a `WWW-Authenticate` header; RFC 9110 11.6.1 wants at least one."""
        super().__init__(detail, headers=Headers([("www-authenticate", challenge) for challenge in challenges]))


class Forbidden(ClientError):
    """It is known who is calling, and they may not (RFC 9110 15.5.4)."""

    status, code, title, flag = 403, "forbidden", "Not allowed", "UAEX"


class AddressDenied(ClientError):
    """Nobody may call from this address (RFC 9110 15.5.4)."""

    status, code, title, flag = 403, "address-denied", "Not allowed from this address", "UAEX"


class CallerUnknown(ClientError):
    """Who is calling cannot be told, where that decides (RFC 9110 15.5.4)."""

    status, code, title, flag = 403, "caller-unknown", "The caller cannot be told from others", "RL"


class NotFound(ClientError):
    """No route matches (RFC 9110 15.5.5)."""

    status, code, title, flag = 404, "route-not-found", "No route matches", "NR"


class MethodNotAllowed(ClientError):
    """A route matches but for the method; `allow` lists the methods that would (RFC 9110 15.5.6)."""

    status, code, title, flag = 405, "method-not-allowed", "Method not allowed", "NR"

    def __init__(self, allow: list[str]) -> None:
        """`allow` becomes the `Allow` header, sorted."""
        methods = ", ".join(sorted(allow))
        super().__init__(f"This path accepts: {methods}." if methods else "", headers=Headers({"allow": methods}))


class RequestTimeout(ClientError):
    """The client took too long to send its request (RFC 9110 15.5.9)."""

    status, code, title, flag = 408, "request-timeout", "Request timeout", "DT"


class PayloadTooLarge(ClientError):
    """The request body is over the limit (RFC 9110 15.5.14)."""

    status, code, title, flag = 413, "payload-too-large", "Payload too large", "DPE"


class TargetTooLong(ClientError):
    """The request target is over the limit (RFC 9110 15.5.15)."""

    status, code, title, flag = 414, "target-too-long", "Request target too long", "DPE"


class UnsupportedMediaType(ClientError):
    """The body's type, or its coding, is not accepted here (RFC 9110 15.5.16)."""

    status, code, title, flag = 415, "unsupported-media-type", "Unsupported media type", "DPE"


class ExpectationFailed(ClientError):
    """`Expect` asks for something other than 100-continue (RFC 9110 15.5.18)."""

    status, code, title, flag = 417, "expectation-failed", "Expectation failed", "DPE"


class UnprocessableContent(ClientError):
    """The body is well formed, but not what it must be (RFC 9110 15.5.21)."""

    status, code, title, flag = 422, "unprocessable-content", "Unprocessable content", "DPE"


class RateLimited(ClientError):
    """The caller is over a limit (RFC 6585 section 4; draft-ietf-httpapi-ratelimit-headers-10 section 5)."""

    status, code, title, flag = 429, "quota-exceeded", "Too many requests", "RL"
    problem_type = _REGISTERED + "quota-exceeded"

    def __init__(self, detail: str = "", *, policies: Sequence[str] = (), headers: Headers | None = None) -> None:
        """`policies` are the names of those that refused."""
        super().__init__(detail, headers=headers)
        self.members = {"violated-policies": list(policies)}


class HeadersTooLarge(ClientError):
    """The header section is over the limit (RFC 6585 section 5)."""

    status, code, title, flag = 431, "headers-too-large", "Request header fields too large", "DPE"


class NoHealthyEndpoint(GatewayError):
    """The service has no endpoint that may be used now."""

    status, code, title, flag = 503, "no-healthy-endpoint", "The service is unavailable", "UH"


class CircuitOpen(GatewayError):
    """The service failed so often that it is left alone for a while; it was not asked."""

    status, code, title, flag = 503, "circuit-open", "The service is left alone to recover", "UO"


class Overloaded(GatewayError):
    """There is more work than can be done in time; this request was not begun (RFC 9110 15.6.4)."""

    status, code, title, flag = 503, "overloaded", "Too much work at the moment", "OM"


class LimitsUnavailable(GatewayError):
    """The store of the rate limits is out of reach, and the policy is to refuse then."""

    status, code, title, flag = 503, "temporary-reduced-capacity", "Temporarily at reduced capacity", "RLSE"
    problem_type = _REGISTERED + "temporary-reduced-capacity"


class IdentityUnavailable(GatewayError):
    """Whoever could say who is calling is out of reach, and the policy is to refuse then."""

    status, code, title, flag = 503, "identity-unavailable", "Callers cannot be identified at the moment", "UAEX"


class DeadlineExceeded(GatewayError):
    """The whole request took longer than its deadline, retries and queueing included."""

    status, code, title, flag = 504, "deadline-exceeded", "The deadline passed", "DT"


class InternalError(GatewayError):
    """A defect of the gateway, or of a Handler in it. Envoy has no letters for that; `IE` is ours."""

    flag = "IE"


class ClientDisconnected(Exception):
    """The client has gone; nobody is left to answer. Not a `GatewayError`: there is no response."""


class ConfigurationError(ValueError):
    """The configuration contradicts itself: found while building, never while serving."""
