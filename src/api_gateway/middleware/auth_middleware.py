"""Auth: who is calling, proved in one of several ways, before anything further in is asked.

Rule: the authenticators are asked in their order, and the first identity wins.

| nobody proves an identity, and              | then                                                                |
|---------------------------------------------|---------------------------------------------------------------------|
| one that might have is out of reach         | 503, also where it is optional: what nobody could check is neither  |
|                                             | wrong nor absent, and a client that got 401 would throw it away     |
| else credentials were presented             | 401, also where it is optional: forged is never anonymous           |
| else nothing was                            | 401; where it is optional, anonymous                                |

Wrong credentials of one kind do not end the search: what is not a JWT of this issuer may be a token that
introspection knows. A credential header that is there twice ends everything with 400: two readers could differ on
which one counts.

What the service gets: the identity headers (`auth/identity_headers.py`), those and no others of their names, and
none for an anonymous caller. It does NOT get the credentials: every header that one of the authenticators reads is
withheld (`RequestContext.withheld`), used or not, unless `forward_credentials` is set. A service that is handed keys
and tokens could use them against others, log them, or lose them. The gateway's own layers still see them, and so
does a plain Handler in place of a `BackendService`.

Two of these on one request (for all, and on a route): each proves by its own list, and what an earlier one proved does
not satisfy a later one. The later identity replaces the earlier together with its headers. Only where the later one is
optional and nothing was presented to it, the earlier identity stays. To demand on a route what an optional one for all
may have proved, use `authorize`.

Cost: about 2 us over an empty layer for a request of ten headers, beside what the authenticator takes.

What it does not do: check anything itself (`auth/`), or say what a caller may do (`authorization.py`).

Source: RFC 9110 11.6, 15.5.2; RFC 6750 section 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

from api_gateway.auth.authenticator import Authenticator, InvalidCredentials
from api_gateway.auth.challenge import IdentityNeeded, in_realm, with_error
from api_gateway.auth.identity_headers import identity_headers
from api_gateway.core.canonical_request import IDENTITY_HEADERS
from api_gateway.core.errors import BadRequest, GatewayError, IdentityUnavailable, Unauthenticated
from api_gateway.core.headers import Headers
from api_gateway.core.identity import Identity
from api_gateway.core.middleware import Handler
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.core.response import Response
from api_gateway.core.xray.facts import Facts

NO_METHOD = "none"
"""What stands for the method where no authenticator had anything to do with the decision."""

_Failure = tuple[str, str, InvalidCredentials | IdentityUnavailable]  # method, challenge, error


class AuthMiddleware:
    """Asks who is calling, and tells the service."""

    __slots__ = ("_asked", "challenges", "counts", "methods", "optional", "reads", "withholds")

    def __init__(
        self,
        authenticators: Sequence[Authenticator],
        *,
        optional: bool = False,
        forward_credentials: bool = False,
        realm: str | None = None,
        methods: Sequence[str] = (),
    ) -> None:
        """Prepare what every request needs.

        Args:
            authenticators: the ways, in the order in which they are asked.
            optional: whether a request without any credentials may pass, as an anonymous one.
            forward_credentials: whether services get the credentials too.
            realm: what is protected, as every challenge names it; unless given, each as its authenticator does.
            methods: what the metrics call each of `authenticators`, in their order; `other` unless given.

        Raises:
            ValueError: there is no authenticator, not as many methods, or the realm is not printable ASCII.
        """
        if not authenticators:
            raise ValueError("there must be at least one way to prove who is calling")
        self.methods = tuple(methods or ["other"] * len(authenticators))
        own = [in_realm(each.challenge, realm) if each.challenge else "" for each in authenticators]
        self._asked = tuple(zip(authenticators, self.methods, own, strict=True))
        self.optional = optional
        self.reads: frozenset[bytes] = frozenset().union(*(each.credential_headers for each in authenticators))
        """The headers in which credentials are looked for."""
        self.withholds: frozenset[bytes] = frozenset() if forward_credentials else self.reads
        """The headers that no service gets to see."""
        self.challenges = tuple(dict.fromkeys(filter(None, own))) or (in_realm("ClientCertificate", realm),)
        """How to prove it, as `WWW-Authenticate` says; at least one."""
        self.counts = dict.fromkeys(_labels(self.methods), 0)
        """Decisions by outcome and method."""

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Hand on the request of a caller that is known, or may be unknown.

        Raises:
            Unauthenticated: nobody is proved to be calling.
            IdentityUnavailable: it cannot be found out now.
            BadRequest: a credential header is there twice.
        """
        names = [name for name, _ in request.headers.pairs if name in self.reads]
        if len(names) > 1:
            self._refuse_repeated(names)
        context.withheld |= self.withholds
        failures: list[_Failure] = []
        for authenticator, method, own in self._asked:
            try:
                identity = await authenticator.authenticate(request, context)
            except (InvalidCredentials, IdentityUnavailable) as error:
                failures.append((method, own, error))
                continue
            if identity is not None:
                self.counts["identified", method] += 1
                context.identity = identity
                return await call_next(_told(request, identity), context)
        if failures:
            raise self._refusal(failures)
        if not self.optional:
            self.counts["missing", NO_METHOD] += 1
            detail = "The request carries no credentials of a kind that is accepted here."
            raise Unauthenticated(detail, challenges=self.challenges)
        self.counts["anonymous", NO_METHOD] += 1
        try:
            return await call_next(_told(request, context.identity), context)
        except IdentityNeeded as error:
            error.offer(self.challenges)
            raise

    async def state_for(self, request: Request, context: RequestContext) -> Facts:
        """The ways, and of which of them the request carries credentials."""
        present = {name for name, _ in request.headers.pairs}
        return {
            "ways": self.methods,
            "brings": [method for each, method, _ in self._asked if _brings(each, present, context)],
            "optional": self.optional,
        }

    @property
    def explained(self) -> str:
        """What it does, in a line; nothing in it is secret."""
        need = "optional" if self.optional else "required"
        kept = ", ".join(sorted(name.decode("ascii") for name in self.withholds)) or "nothing"
        return f"{' or '.join(self.methods)}, {need}; kept from services: {kept}"

    def _refusal(self, failures: Sequence[_Failure]) -> GatewayError:
        """The error for credentials that proved nothing."""
        for method, _, error in failures:
            if isinstance(error, IdentityUnavailable):
                self.counts["unavailable", method] += 1
                return error
        method, _, first = failures[0]
        self.counts["invalid", method] += 1
        wrong: dict[str, str] = {}
        for _, own, error in failures:
            wrong.setdefault(own, str(error))
        told = [with_error(own, "invalid_token", wrong[own]) if own in wrong else own for own in self.challenges]
        return Unauthenticated(str(first), challenges=told)

    def _refuse_repeated(self, names: Sequence[bytes]) -> None:
        if len(names) == len(set(names)):
            return
        self.counts["invalid", NO_METHOD] += 1
        headers = Headers()
        if names.count(b"authorization") > 1:
            told = [with_error(own, "invalid_request") for own in self.challenges]
            headers = Headers([("www-authenticate", line) for line in told])
        raise BadRequest("A header that carries credentials is there more than once.", headers=headers)


def _brings(authenticator: Authenticator, present: Set[bytes], context: RequestContext) -> bool:
    """Whether there is what it looks at: its headers, or for one that reads none, a certificate."""
    if authenticator.credential_headers:
        return not authenticator.credential_headers.isdisjoint(present)
    return context.client_certificate is not None


def _told(request: Request, identity: Identity | None) -> Request:
    """The request as services may see it: with these identity headers, and no others."""
    pairs = [pair for pair in request.headers.pairs if pair[0] not in IDENTITY_HEADERS]
    if identity is not None:
        pairs += identity_headers(identity)
    return request.with_headers(Headers.from_pairs(pairs))


def _labels(methods: Iterable[str]) -> list[tuple[str, str]]:
    decided = [(outcome, method) for method in methods for outcome in ("identified", "invalid", "unavailable")]
    return [*decided, ("anonymous", NO_METHOD), ("missing", NO_METHOD), ("invalid", NO_METHOD)]
