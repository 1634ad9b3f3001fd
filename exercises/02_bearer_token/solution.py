r"""The fix: match the whole field against what RFC 9110 and RFC 6750 say it may be.

Why: a parser must recognise its input, not remove what it dislikes. `replace` accepted no scheme, any scheme glued to a
token, and `Bearer ` anywhere, and refused `bearer`, although schemes are case-insensitive (RFC 9110 11.1). Of two
`Authorization` headers the gateway may check one and the service use the other, so two are as good as none.

What it costs: one pass over the token. What it gives up: clients that have sent malformed fields until now get 401, so
count them in the log before you switch. The package refuses what looks like a broken Bearer with an error of its own,
and ignores other schemes, so that several ways of authenticating can stand side by side.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from api_gateway import Handler, Request, RequestContext, Response
from api_gateway.core.errors import Unauthenticated
from api_gateway.core.identity import Identity

Verify: TypeAlias = Callable[[str], Identity | None]
"""Whom a token speaks for; None if its signature, or anything in it, is not in order."""


class BearerAuth:
    """A middleware: whoever gets through has a valid token."""

    def __init__(self, verify: Verify) -> None:
        self._verify = verify

    async def __call__(self, request: Request, context: RequestContext, call_next: Handler) -> Response:
        """Find out who is calling.

        Raises:
            Unauthenticated: nobody can tell.
        """
        token = bearer_token(request)
        context.identity = self._verify(token) if token is not None else None
        if context.identity is None:
            raise Unauthenticated(challenges=["Bearer"])
        return await call_next(request, context)


_BEARER = re.compile(r"bearer +([a-z0-9\-._~+/]+=*)", re.IGNORECASE | re.ASCII)


def bearer_token(request: Request) -> str | None:
    """The bearer token that `request` carries; None if it carries none."""
    fields = request.headers.get_all("authorization")
    if len(fields) != 1:
        return None
    match = _BEARER.fullmatch(fields[0])
    return match[1] if match else None
