"""Authenticator: one way to prove who is calling.

Rule: a request without this kind of credentials gets None, for another way may know it. Credentials that are
there and do not prove anything are refused, and never count as absent: a forged token is not an anonymous caller.

What it does not do: answer. `middleware/auth_middleware.py` asks one or several, and refuses.
"""

from __future__ import annotations

from typing import Protocol

from api_gateway.core.identity import Identity
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext


class InvalidCredentials(Exception):
    """They prove nothing. `str()` is one sentence for the client; it must not show any part of them."""


class Authenticator(Protocol):
    """One way."""

    challenge: str
    """What `WWW-Authenticate` says of it, less the error: `Bearer realm="..."`; empty if HTTP has no scheme for it."""
    credential_headers: frozenset[bytes]
    """The request headers that it reads, in lower case: they need not reach a service."""

    async def authenticate(self, request: Request, context: RequestContext) -> Identity | None:
        """The identity that the request proves; None if it carries no credentials of this kind.

        Raises:
            InvalidCredentials: it carries some, and they are wrong, expired or not for this gateway.
            IdentityUnavailable: whoever could tell is out of reach.
        """
        ...
