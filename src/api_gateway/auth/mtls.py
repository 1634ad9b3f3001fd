"""mTLS: the caller is whom its client certificate names.

Rule: the listener has verified the certificate against the configured authorities, and the client has proved in
the handshake that it holds the key. What is left is to choose which of the certificate's names is the identity:
the URI (a SPIFFE id) if it has one, else the DNS name, else the subject's CN, unless a kind is asked for. With
`allow`, it is the first name of that kind that is allowed, and a certificate without one is refused.

A connection may outlive its certificate, so the end of validity is looked at with every request.

Bound: one identity is kept for each certificate, for the last `MOST_KEPT` of them. Only who owns a certificate of
our authorities can add one.

What it does not do: believe a header. A certificate that a proxy reports in `X-Client-Cert` proves nothing here,
as any client can write that. Nor does it check revocation: keep certificates short-lived.

Source: RFC 8705 section 2.1 (which names identify a client), RFC 9525 section 6.3 (one label a wildcard), SPIFFE
X.509-SVID section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from api_gateway.auth.authenticator import InvalidCredentials
from api_gateway.core.client_certificate import ClientCertificate
from api_gateway.core.clock import Clock
from api_gateway.core.identity import Identity
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext

IdentityFrom: TypeAlias = Literal["subject", "common_name", "dns", "uri"]

MOST_KEPT = 1000
"""Certificates whose identity is remembered."""


class MtlsAuthenticator:
    """Identity from the connection's client certificate. See `Authenticator`."""

    challenge = ""
    credential_headers: frozenset[bytes] = frozenset()

    def __init__(
        self, clock: Clock, *, identity_from: IdentityFrom | None = None, allow: Sequence[str] | None = None
    ) -> None:
        """`allow` holds names, `*.` at the front for one label, `/*` at the end for all below; None for all."""
        self._clock = clock
        self._identity_from = identity_from
        self._allow = None if allow is None else tuple(allow)
        self._known: dict[str, Identity] = {}

    async def authenticate(self, request: Request, context: RequestContext) -> Identity | None:
        """See `Authenticator.authenticate`."""
        certificate = context.client_certificate
        if certificate is None:
            return None
        if certificate.not_after < self._clock.wall():
            raise InvalidCredentials("The client certificate has expired.")
        return self._known.get(certificate.fingerprint) or self._identity(certificate)

    def _identity(self, certificate: ClientCertificate) -> Identity:
        kind = self._identity_from or _best_kind(certificate)
        names = [name for name in _names(certificate, kind) if name]
        if not names:
            raise InvalidCredentials("The client certificate has no name of the kind that counts here.")
        subject = next((name for name in names if self._allows(kind, name)), None)
        if subject is None:
            raise InvalidCredentials("The client certificate is not for this gateway.")
        try:
            identity = Identity(
                subject,
                "mtls",
                issuer=certificate.issuer,
                claims={"fingerprint": certificate.fingerprint, "serial_number": certificate.serial_number},
                expires=certificate.not_after,
            )
        except ValueError:
            raise InvalidCredentials("The client certificate has a name that cannot be used.") from None
        if len(self._known) >= MOST_KEPT:
            del self._known[next(iter(self._known))]
        self._known[certificate.fingerprint] = identity
        return identity

    def _allows(self, kind: IdentityFrom, name: str) -> bool:
        return self._allow is None or any(_matches(kind, pattern, name) for pattern in self._allow)


def _best_kind(certificate: ClientCertificate) -> IdentityFrom:
    return "uri" if certificate.uris else "dns" if certificate.dns_names else "common_name"


def _names(certificate: ClientCertificate, kind: IdentityFrom) -> Sequence[str]:
    match kind:
        case "uri":
            return certificate.uris
        case "dns":
            return [name.lower() for name in certificate.dns_names]
        case "common_name":
            return (certificate.common_name,)
        case "subject":
            return (certificate.subject,)


def _matches(kind: IdentityFrom, pattern: str, name: str) -> bool:
    if kind == "uri" and pattern.endswith("/*"):
        # A dot segment or a bare prefix would mean another path to whoever reads the name next.
        below = name.removeprefix(pattern[:-1])
        return below not in (name, "") and not {".", "..", ""} & {*below.split("/")}
    if kind == "dns":
        pattern = pattern.lower()
    if kind in ("dns", "common_name") and pattern.startswith("*."):
        label, dot, rest = name.partition(".")
        return bool(label and dot) and label != "*" and "*." + rest == pattern
    return pattern == name
