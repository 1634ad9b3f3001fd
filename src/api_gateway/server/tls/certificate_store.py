"""Certificate store: the listener's certificates as they were at one moment, found by name.

Rule: an exact name before a wildcard, which stands for just one label (`*.example.com` is for `api.example.com`,
not for `example.com` or `a.b.example.com`); of two certificates with the same name the earlier one. A name that
none has, or no name at all, gets the first certificate, or with `strict` a refusal: the alert `unrecognized_name`.

Never changed: a rotation makes another store, and with it other contexts. A new context has other session
secrets and another list of authorities, so nothing that a client remembers of the old ones opens it.

Cost: two dictionary look-ups a handshake.

Source: RFC 6066 section 3; RFC 9525 section 6.3.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence

from api_gateway.server.tls.certificate import Certificate


class CertificateStore:
    """Certificates with their TLS contexts."""

    __slots__ = ("_by_name", "_strict", "certificates", "context")

    def __init__(self, entries: Sequence[tuple[Certificate, ssl.SSLContext]], *, strict: bool = False) -> None:
        """`entries`, at least one, in the order of the configuration."""
        self.certificates = tuple(certificate for certificate, _ in entries)
        self.context = entries[0][1]
        """For a new connection; chooses another by itself when the client has said a name."""
        self._strict = strict
        self._by_name: dict[str, ssl.SSLContext] = {}
        for certificate, context in entries:
            for name in certificate.names:
                self._by_name.setdefault(name, context)
        if strict or len(entries) > 1:
            self.context.sni_callback = self._choose

    def covers(self, host: str) -> bool:
        """Whether a certificate is for `host`: a name, or an IP address without brackets."""
        return self._find(host) is not None

    def _find(self, host: str) -> ssl.SSLContext | None:
        name = host.lower().removesuffix(".")
        return self._by_name.get(name) or self._by_name.get("*." + name.partition(".")[2])

    def _choose(self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        context = self._find(name) if name else None
        if context is not None:
            connection.context = context
        elif self._strict:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        return None
