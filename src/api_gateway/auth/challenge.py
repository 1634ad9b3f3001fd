"""Challenge: what a refusal tells the client about how to prove who it is, in `WWW-Authenticate`.

| the request                                  | status | its challenges                                              |
|----------------------------------------------|--------|-------------------------------------------------------------|
| carries no credentials                       | 401    | `Bearer realm="api"`, without an error                      |
| carries wrong, expired or malformed ones     | 401    | `..., error="invalid_token", error_description="..."`       |
| carries one credential header twice          | 400    | `..., error="invalid_request"`                              |
| proved itself by a token that lacks a scope  | 403    | `Bearer error="insufficient_scope", scope="orders:write"`   |

Rule: one header line for each scheme, and at least one in every 401. An error stands behind `Bearer` only, whose
registration defines it, and only where that scheme's credentials were the wrong ones. A token that cannot be
read is an invalid token, 401; 400 is for a request that could be read in two ways (RFC 6750 3.1 has both).

HTTP has a name for tokens, and none for keys or certificates. Ours: `ApiKey realm="...", header="X-API-Key"`, the
header in which the key goes, and `ClientCertificate realm="..."`, where a certificate is the only way.

Nothing in a challenge can end it early: texts are quoted strings of printable ASCII, descriptions of the fewer
characters that RFC 6750 allows, and no part of what the client sent.

What it does not do: decide who is refused.

Source: RFC 9110 5.6.4 (quoted strings), 11.6.1 (WWW-Authenticate), 15.5.2 (401); RFC 6750 section 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from api_gateway.core.errors import Unauthenticated
from api_gateway.core.headers import Headers

DEFAULT_REALM = "api"
"""What is protected, where nobody has given it a name."""

LONGEST_DESCRIPTION = 200
"""Characters of an error's description; the rest is cut off."""

_PRINTABLE = re.compile(r"[\x20-\x7e]*")
_NOT_IN_A_DESCRIPTION = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")
_REALM = re.compile(r'realm="(?:[^"\\]|\\.)*"(?:, *)?')
_FIELD = b"www-authenticate"


def challenge(scheme: str, **parameters: str) -> str:
    """A challenge such as `Bearer realm="api"`.

    Raises:
        ValueError: a parameter is not printable ASCII.
    """
    return f"{scheme} " + ", ".join(f"{name}={_quoted(value)}" for name, value in parameters.items())


def in_realm(base: str, realm: str | None) -> str:
    """The challenge `base` with this realm before its other parameters; if None, with its own, or the default one.

    Raises:
        ValueError: the realm is not printable ASCII.
    """
    scheme, _, parameters = base.partition(" ")
    own = _REALM.match(parameters)
    if realm is None and own is not None:
        return base
    others = parameters[own.end() if own else 0 :]
    return challenge(scheme, realm=DEFAULT_REALM if realm is None else realm) + (f", {others}" if others else "")


def with_error(base: str, error: str, description: str = "") -> str:
    """The challenge `base` with an error, if it is one for `Bearer`; else `base` itself."""
    scheme, _, parameters = base.partition(" ")
    if scheme.lower() != "bearer":
        return base
    told = [parameters] if parameters else []
    told.append(f'error="{error}"')
    if description:
        shown = _NOT_IN_A_DESCRIPTION.sub(_replacement, description[:LONGEST_DESCRIPTION])
        told.append(f'error_description="{shown}"')
    return f"{scheme} {', '.join(told)}"


def insufficient_scope(scopes: Iterable[str]) -> str:
    """The challenge of a 403 for a token without all of `scopes`."""
    return challenge("Bearer", error="insufficient_scope", scope=" ".join(sorted(scopes)))


class IdentityNeeded(Unauthenticated):
    """Raised where anonymous callers got through an optional authentication, and may not go further.

    Whoever raises it does not know how a caller could prove itself. The authentications that it passes on its way
    out do, and each offers its challenges.
    """

    def __init__(self, detail: str = "") -> None:
        """Until somebody offers better, the challenge is for a token: RFC 9110 wants one."""
        super().__init__(detail, challenges=[challenge("Bearer", realm=DEFAULT_REALM)])
        self._offered: tuple[str, ...] = ()

    def offer(self, challenges: Iterable[str]) -> None:
        """Name these as ways, beside those offered before."""
        self._offered = tuple(dict.fromkeys((*self._offered, *challenges)))
        others = [pair for pair in self.headers.pairs if pair[0] != _FIELD]
        self.headers = Headers([*others, *((_FIELD, offered) for offered in self._offered)])


def _quoted(text: str) -> str:
    if not _PRINTABLE.fullmatch(text):
        raise ValueError("a challenge is made of printable ASCII")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _replacement(character: re.Match[str]) -> str:
    return "'" if character.group() == '"' else "?"
