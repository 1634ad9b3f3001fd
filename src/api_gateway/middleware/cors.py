"""CORS: which web pages may call, and read what is answered.

    cors: {origins: [https://app.example, "https://*.shop.example"], credentials: true}

A browser lets a page of one origin ask another for anything that a form could send, but shows it the answer only if
that says so. For the rest it asks first: a preflight, `OPTIONS` with `Origin` and `Access-Control-Request-Method`.

Rule: a preflight is answered here, 204 with the lists of this policy whatever it asks for, and never forwarded; that
of another origin is refused, 403. Everything else goes on, an `OPTIONS` that is no preflight too. On the way back
an allowed origin is named in the answer; another is not, and its browser keeps the answer from the page. That
request was served: it may be of the gateway's own pages, whose forms name an origin too, so CORS refuses none and
is no defence against forged requests.

| origins          | on every answer                     | to an allowed origin                         |
|------------------|-------------------------------------|----------------------------------------------|
| listed           | Vary: Origin                        | its own name, and credentials if they may be |
| `*`              | Access-Control-Allow-Origin: `*`    | the same                                     |

`*` never goes with credentials: any page on the web could then read what its visitor can. An origin is compared
byte by byte, as browsers write it: lower case, no default port, no dot at the end. `https://*.shop.example` is every
name below `shop.example`, not itself. `null` is never allowed: any page can have it.

There is one policy: `Access-Control-*` of the service is removed, and of several layers the outermost counts. The
gateway's refusals from further in carry the headers too, so that a page can read a 401 or a 429; those from
further out, and a defect's 500, do not. A preflight has no credentials: stand before authentication.

Cost: 2 us for a request of ten fields and an answer of eight, 3 us for a preflight (best of 7 x 20,000 calls).

What it does not do: let public pages into private networks (`Access-Control-Request-Private-Network` is never
granted), or set `Cross-Origin-*` (`security_headers.py`).

Source: Fetch standard, "CORS protocol" and "CORS protocol and HTTP caches".
"""

from __future__ import annotations

from collections.abc import Sequence

from api_gateway.core.errors import ClientError, ConfigurationError, GatewayError
from api_gateway.core.headers import HeaderPairs, Headers
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.xray.facts import Facts
from api_gateway.middleware.cors_origins import ANY, CorsOrigins

METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
"""Allowed unless others are named: without credentials a page can do nothing that any program cannot."""

HEADERS = ("authorization", "content-type")
"""Allowed unless others are named: what calls of an API with JSON and a token need."""

MAX_AGE = 600
"""Seconds for which a browser need not ask again, unless told otherwise."""

_PREFIX = b"access-control-"
_PREFLIGHT_VARY = (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
_VARY = (b"vary", b"Origin")


class OriginDenied(ClientError):
    """No page of this origin may call (Fetch standard, CORS protocol)."""

    status, code, title, flag = 403, "origin-denied", "Not allowed for pages of this origin", "UAEX"


class CorsMiddleware:
    """Answers preflights, and says on answers which origin may read them."""

    __slots__ = ("_every_answer", "_origins", "_preflight", "_readable", "preflights", "preflights_refused")

    preflights: int
    """Preflights answered with the policy."""
    preflights_refused: int
    """Preflights of origins that are not allowed."""

    def __init__(
        self,
        origins: Sequence[str],
        *,
        credentials: bool = False,
        methods: Sequence[str] = METHODS,
        allow_headers: Sequence[str] = HEADERS,
        expose_headers: Sequence[str] = (),
        max_age: int = MAX_AGE,
    ) -> None:
        """`origins` as in `CorsOrigins`; `methods` and both kinds of headers are names, or `*` alone.

        Raises:
            ConfigurationError: an origin is none, or `*` stands in any list together with credentials.
        """
        self._origins = CorsOrigins(origins)
        if credentials and any(ANY in names for names in (origins, methods, allow_headers, expose_headers)):
            raise ConfigurationError("'*' and credentials exclude each other: any page could act as its visitor")
        self._every_answer: HeaderPairs = [(b"access-control-allow-origin", b"*")] if self._origins.any else []
        readable = {
            "access-control-allow-credentials": "true" if credentials else "",
            "access-control-expose-headers": ", ".join(expose_headers),
        }
        preflight = {
            "access-control-allow-credentials": "true" if credentials else "",
            "access-control-allow-methods": ", ".join(methods),
            "access-control-allow-headers": ", ".join(allow_headers),
            "access-control-max-age": str(max_age),
        }
        self._readable = Headers({name: value for name, value in readable.items() if value}).pairs
        self._preflight = Headers({name: value for name, value in preflight.items() if value}).pairs
        self.preflights = self.preflights_refused = 0

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Answer a preflight; else call on, and add to whatever comes back.

        Raises:
            OriginDenied: a preflight of an origin that is not allowed.
        """
        origin = _origin_of(request.headers)
        if request.method == "OPTIONS" and origin is not None and "access-control-request-method" in request.headers:
            return self._answer_preflight(origin)
        try:
            response = await call_next(request, context)
        except GatewayError as error:
            error.headers = self._added_to(error.headers, origin)
            raise
        response.headers = self._added_to(response.headers, origin)
        return response

    async def state_for(self, request: Request, context: RequestContext) -> Facts:
        """The page's origin, and whether it is one of the policy's."""
        origin = _origin_of(request.headers)
        return {
            "origin": None if origin is None else origin.decode("latin-1"),
            "allowed": origin is not None and self._origins.allow(origin),
            "preflight": origin is not None
            and request.method == "OPTIONS"
            and "access-control-request-method" in request.headers,
        }

    def _answer_preflight(self, origin: bytes) -> Response:
        if not self._origins.allow(origin):
            self.preflights_refused += 1
            raise OriginDenied(headers=Headers.from_pairs([_PREFLIGHT_VARY]))
        self.preflights += 1
        named = self._every_answer or [(b"access-control-allow-origin", origin)]
        return Response(204, Headers.from_pairs([*named, *self._preflight, _PREFLIGHT_VARY]))

    def _added_to(self, headers: Headers, origin: bytes | None) -> Headers:
        pairs = headers.pairs
        names = [name for name, _ in pairs]
        if _PREFIX in b" ".join(names):
            pairs = [pair for pair in pairs if not pair[0].startswith(_PREFIX)]
        if self._every_answer:
            return Headers.from_pairs(pairs + self._every_answer + self._readable)
        pairs = [*pairs] if b"vary" in names and _by_origin(pairs) else [*pairs, _VARY]
        if origin is not None and self._origins.allow(origin):
            pairs.append((b"access-control-allow-origin", origin))
            pairs += self._readable
        return Headers.from_pairs(pairs)


def _origin_of(headers: Headers) -> bytes | None:
    """The origin that a request names; empty, which is none, where it names several."""
    origins = [value for name, value in headers.pairs if name == b"origin"]
    if not origins:
        return None
    return origins[0] if len(origins) == 1 else b""


def _by_origin(pairs: HeaderPairs) -> bool:
    varies = b",".join([value for name, value in pairs if name == b"vary"]).lower()
    members = [member.strip() for member in varies.split(b",")]
    return b"origin" in members or b"*" in members
