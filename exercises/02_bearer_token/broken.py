"""Authentication by a bearer token, which is found as tutorials do it."""

from __future__ import annotations

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


def bearer_token(request: Request) -> str | None:
    """The bearer token that `request` carries; None if it carries none."""
    token = (request.header("authorization") or "").replace("Bearer ", "")
    if not token:
        return None
    return token
