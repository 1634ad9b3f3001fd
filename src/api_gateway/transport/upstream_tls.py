"""Upstream TLS: what the gateway wants to see of a service, and shows it, before it says a word.

Rule: the service's certificate is verified, name included, against the authorities given, or the system's. The
files are looked at whenever a connection is made, so new authorities, and a new certificate of our own, count for
new connections; what cannot be loaded changes nothing (`core/watched_file.py`).

Cost: one `stat` for each file and new connection; no task, so there is nothing to start or to close.

What it does not do: check revocation, or close connections that were made under earlier authorities; those end
when they have been idle for a while.

Source: RFC 9525; RFC 6066 section 3 (no IP addresses in SNI: the TLS library leaves them out).
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from api_gateway.core.errors import ConfigurationError
from api_gateway.core.watched_file import WatchedFile

_log = logging.getLogger("api_gateway.tls")


@dataclass(frozen=True, slots=True)
class UpstreamTlsOptions:
    """How a service proves who it is, and the gateway to it."""

    ca_file: Path | None = None
    """Authorities in PEM; the system's unless given."""
    server_name: str | None = None
    """The name to ask for and to verify; the endpoint's host unless given."""
    cert_file: Path | None = None
    key_file: Path | None = None
    key_password: str | None = field(default=None, repr=False)
    verify: bool = True


class UpstreamTls:
    """The TLS context for new connections to one service, as its files are now."""

    __slots__ = ("_watched", "server_name")

    def __init__(self, options: UpstreamTlsOptions, *, service: str = "") -> None:
        """`service` is the name in the log.

        Raises:
            ConfigurationError: a file cannot be used.
        """
        self.server_name = options.server_name
        """The name to verify instead of the endpoint's host; None for the host."""
        files = [file for file in (options.ca_file, options.cert_file, options.key_file) if file is not None]
        self._watched = WatchedFile(files, lambda: upstream_context(options))
        if not options.verify:
            _log.warning("service %s: TLS without verification: whoever answers is believed", service or "-")

    def context(self) -> ssl.SSLContext:
        """For a new connection."""
        self._watched.look()
        return self._watched.value


def upstream_context(options: UpstreamTlsOptions) -> ssl.SSLContext:
    """A client's context: TLS 1.2 or later, verifying unless told otherwise.

    Raises:
        ConfigurationError: a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif options.ca_file is None:
        context.load_default_certs()
    else:
        load_authorities(context, options.ca_file)
    if options.cert_file is not None and options.key_file is not None:
        load_pair(context, options.cert_file, options.key_file, options.key_password)
    return context


def load_authorities(context: ssl.SSLContext, file: Path) -> None:
    """Trust the certificates in `file`, all of them or none.

    Raises:
        ConfigurationError: it cannot be read, or holds something else.
    """
    try:
        context.load_verify_locations(cadata=file.read_text(encoding="ascii"))
    except ssl.SSLError as error:
        raise ConfigurationError(f"{file} does not hold certificates in PEM: {error.reason}") from None
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from None
    except ValueError:  # not ASCII, or empty
        raise ConfigurationError(f"{file} does not hold certificates in PEM") from None


def load_pair(context: ssl.SSLContext, cert_file: Path, key_file: Path, password: str | None) -> None:
    """Show the certificate of `cert_file`, whose key is in `key_file`.

    Raises:
        ConfigurationError: they cannot be read, or do not belong together.
    """
    for file in (cert_file, key_file):  # the TLS library does not say which of the two is missing
        try:
            file.open("rb").close()
        except OSError as error:
            raise ConfigurationError(f"cannot read {file}: {error.strerror}") from None
    try:
        context.load_cert_chain(cert_file, key_file, password if password is not None else _no_password(key_file))
    except ssl.SSLError as error:
        reason = error.reason or "the password is wrong, or this is no PEM"
        cause = "its key is another" if reason == "KEY_VALUES_MISMATCH" else reason
        raise ConfigurationError(f"cannot use {cert_file} with {key_file}: {cause}") from None
    except OSError as error:
        raise ConfigurationError(f"cannot read {cert_file} or {key_file}: {error.strerror}") from None


def _no_password(key_file: Path) -> Callable[[], str]:
    # Without a callable the TLS library would ask whoever sits at the terminal.
    def ask() -> str:
        raise ConfigurationError(f"the key {key_file} is encrypted; give key_password")

    return ask
