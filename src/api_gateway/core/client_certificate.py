"""Client certificate: what the other end of a TLS connection has proved with its key.

Rule: made by the listener of a certificate that the TLS library has verified against the configured authorities
during the handshake; a certificate that was not verified never becomes one of these.

What it does not do: verify, or say who that is to the gateway (`auth/mtls.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

CLIENT_CERTIFICATE_EXTENSION = "api_gateway.client_certificate"
"""Where a server puts it into the ASGI scope's extensions; None there for a client without one."""


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A verified certificate."""

    subject: str
    """Its distinguished name (RFC 4514), such as `CN=billing,O=Example`."""
    common_name: str
    """The subject's last CN; empty without one."""
    issuer: str
    """The distinguished name of who signed it."""
    serial_number: str
    """Hexadecimal, unique at its issuer."""
    dns_names: tuple[str, ...]
    """Subject alternative names, type DNS."""
    uris: tuple[str, ...]
    """Subject alternative names, type URI, such as `spiffe://example/billing`."""
    not_after: float
    """Wall-clock seconds after which it is not valid."""
    fingerprint: str
    """SHA-256 of the certificate, hexadecimal."""
