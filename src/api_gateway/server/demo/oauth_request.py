"""OAuth request: the form and the client's credentials, as the demo's identity provider reads them.

Rule: a form is what its media type says, and no parameter stands twice (RFC 6749 3.2). Id and secret come by HTTP
Basic, each form-encoded (2.3.1).

Bound: 16 KiB of form.

What it does not do: know which clients there are.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote_plus

from starlette.requests import Request

LARGEST_FORM = 16 * 1024
"""Bytes."""


class OAuthError(Exception):
    """An error answer of RFC 6749 5.2. `str()` is its code."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.status = status


def basic_credentials(request: Request) -> tuple[str, str]:
    """Client id and secret, as they were sent; raises OAuthError if they were not."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    try:
        name, colon, secret = b64decode(credentials, validate=True).decode("ascii").partition(":")
    except ValueError:
        raise OAuthError("invalid_client", 401) from None
    if scheme.lower() != "basic" or not colon:
        raise OAuthError("invalid_client", 401)
    return unquote_plus(name), unquote_plus(secret)


async def read_form(request: Request) -> dict[str, str]:
    """The parameters in the body; raises OAuthError where it is no form."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise OAuthError("invalid_request", 413)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True, max_num_fields=20)
    except ValueError:
        raise OAuthError("invalid_request") from None
    form = dict(pairs)
    if kind != "application/x-www-form-urlencoded" or len(form) != len(pairs):
        raise OAuthError("invalid_request")
    return form


def required(form: Mapping[str, str], name: str) -> str:
    """A parameter that must be there; raises OAuthError if it is not."""
    if not form.get(name):
        raise OAuthError("invalid_request")
    return form[name]
