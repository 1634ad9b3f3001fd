"""Certificates for servers of tests, from an authority made on the spot."""

from __future__ import annotations

import ssl
from datetime import datetime

import trustme

AUTHORITY = trustme.CA()


def server_context(
    name: str = "127.0.0.1", *, expired: bool = False, authority: trustme.CA = AUTHORITY
) -> ssl.SSLContext:
    """For a server called `name`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    not_after = datetime(2001, 1, 1) if expired else None  # noqa: DTZ001  # trustme takes naive times
    authority.issue_cert(name, not_after=not_after).configure_cert(context)
    return context


def client_context(authority: trustme.CA = AUTHORITY) -> ssl.SSLContext:
    """For a client that trusts the authority and nobody else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context
