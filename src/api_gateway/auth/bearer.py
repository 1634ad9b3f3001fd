"""Bearer: the token in the `Authorization` header, and nowhere else.

Rule: one `Authorization` header, the scheme `Bearer` in any case, spaces, and one token of the characters that
RFC 9110 11.2 calls token68. Another scheme is none of our business; whatever begins like ours and is not exactly
that is refused, and so is a second `Authorization` header: two readers would choose differently.

Never from the query or from a form, which RFC 6750 would allow: query strings end in logs, histories and
`Referer`, and a form would have to be read, and held, before anybody knows who sent it (RFC 9700 4.3.2).

Bound: 8 KiB. Cost: one pass over the header pairs, and one over the token.

What it does not do: know what the token is. `is_signed_token` tells by its shape whether to ask `jwt.py` or the
issuer (`introspection.py`).

Source: RFC 6750 section 2.1, RFC 9110 section 11.
"""

from __future__ import annotations

import re

from api_gateway.auth.authenticator import InvalidCredentials
from api_gateway.core.request import Request

LONGEST_TOKEN = 8192
"""Bytes."""

_LONGEST_FIELD = LONGEST_TOKEN + 64  # the scheme, and more spaces than anybody writes
_BEARER = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9\-._~+/]+=*)")
_LIKE_BEARER = re.compile(rb"[\t ]*[Bb][Ee][Aa][Rr][Ee][Rr](?![!#$%&'*+\-.^_`|~0-9A-Za-z])")
_SIGNED = re.compile(r"[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]*\.[A-Za-z0-9_\-]*")


def bearer_token(request: Request) -> str | None:
    """The bearer token of `request`, in ASCII; None if it carries none.

    Raises:
        InvalidCredentials: it cannot be told, beyond doubt, which token is meant.
    """
    field: bytes | None = None
    for name, value in request.headers.pairs:
        if name == b"authorization":
            if field is not None:
                raise InvalidCredentials("There is more than one Authorization header.")
            field = value
    if field is None:
        return None
    match = _BEARER.fullmatch(field) if len(field) <= _LONGEST_FIELD else None
    if match is None:
        if _LIKE_BEARER.match(field) is None:
            return None
        if len(field) > _LONGEST_FIELD:
            raise InvalidCredentials("The token is too long.")
        raise InvalidCredentials("The Authorization header does not hold one bearer token.")
    token = match[1]
    if len(token) > LONGEST_TOKEN:
        raise InvalidCredentials("The token is too long.")
    return token.decode("ascii")


def is_signed_token(token: str) -> bool:
    """Whether `token` has the shape of a JWS in compact serialisation: three base64url segments (RFC 7515 7.1)."""
    return _SIGNED.fullmatch(token) is not None
