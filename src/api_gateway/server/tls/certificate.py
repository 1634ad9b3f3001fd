"""Certificate: what one of the listener's own certificates says of itself.

Rule: only subject alternative names count, as they do for every client; the subject is but a label.

What it does not do: verify. Clients do.

Source: RFC 5280 section 4.2.1.6; RFC 9525 section 2 (the common name is not a name).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from api_gateway.core.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Certificate:
    """The first certificate of a file."""

    file: Path
    names: tuple[str, ...]
    """Lower-case host names, `*.` at the front for any one label, and IP addresses."""
    label: str
    """Its first name; the subject without one."""
    not_after: float
    """Wall-clock seconds after which it is not valid."""

    @classmethod
    def read(cls, file: Path) -> Certificate:
        """Read a PEM file.

        Raises:
            ConfigurationError: it cannot be read, or holds something else.
        """
        try:
            first = x509.load_pem_x509_certificates(file.read_bytes())[0]
            names = _names(first)
        except OSError as error:
            raise ConfigurationError(f"cannot read {file}: {error.strerror}") from None
        except (ValueError, x509.DuplicateExtension) as error:
            raise ConfigurationError(f"{file} does not hold a certificate in PEM: {error}") from None
        label = names[0] if names else first.subject.rfc4514_string()
        return cls(file, names, label, first.not_valid_after_utc.timestamp())


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    hosts = [name.lower() for name in names.get_values_for_type(x509.DNSName)]
    return (*hosts, *map(str, names.get_values_for_type(x509.IPAddress)))
