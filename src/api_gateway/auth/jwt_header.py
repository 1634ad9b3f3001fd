"""JWT header: what a token says about itself, believed only as far as it narrows what we would do anyway.

Rule: `alg` must be on the list before anything else happens, `kid` is a name to look up, `typ` says that it is an
access token and not another thing that the same issuer signs. Everything that would bring a key along or tell
where to get one (`jwk`, `jku`, `x5u`, `x5c`), change what is signed (`b64`), or unpack (`zip`, `enc`) is refused,
and so is `crit`: it demands that we understand an extension, and we know none (RFC 7515 4.1.11).

Bound: 2 KiB of JSON. What it does not do: find the key (`key_set.py`).

Source: RFC 7515 section 4, RFC 8725 sections 3.1, 3.10 and 3.11, RFC 9068 section 4.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from api_gateway.auth.authenticator import InvalidCredentials
from api_gateway.auth.strict_json import from_base64url, read_object
from api_gateway.auth.verification_key import LONGEST_KID

ACCESS_TOKEN_TYPES = frozenset({"", "jwt", "at+jwt"})
"""What `typ` may be, in lower case and without `application/`; empty for a token without one."""
LONGEST_HEADER = 2048
"""Bytes."""

_REFUSED = ("crit", "b64", "zip", "enc", "jwk", "jku", "x5u", "x5c")


class TokenHeader(NamedTuple):
    """What of a header matters."""

    algorithm: str
    kid: str | None


def read_header(segment: bytes, algorithms: Collection[str], types: Collection[str]) -> TokenHeader:
    """The header in a token's first segment.

    Raises:
        InvalidCredentials: it is malformed, or the token is of a kind that is not accepted.
    """
    if len(segment) > LONGEST_HEADER * 4 // 3:
        raise InvalidCredentials("The token's header is too long.")
    try:
        header = read_object(from_base64url(segment))
    except ValueError:
        raise InvalidCredentials("The token's header is malformed.") from None
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise InvalidCredentials("The token's signature algorithm is not accepted.")
    for name in _REFUSED:
        if name in header:
            raise InvalidCredentials(f"A token with {name} in its header is not accepted.")
    if (_type_of(header["typ"]) if "typ" in header else "") not in types:
        raise InvalidCredentials("The token is not of an accepted type.")
    return TokenHeader(algorithm, _kid_of(header))


def _kid_of(header: Mapping[str, object]) -> str | None:
    if "kid" not in header:
        return None
    kid = header["kid"]
    if not isinstance(kid, str) or len(kid) > LONGEST_KID:
        raise InvalidCredentials("The token's key id is malformed.")
    return kid


def _type_of(value: object) -> str | None:
    """The type without what may be left out (RFC 7515 4.1.9); None if it is none."""
    if not isinstance(value, str) or not value.isascii():
        return None
    return value.lower().removeprefix("application/") or None
