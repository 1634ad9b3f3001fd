"""Identity headers: how a service is told who is calling.

| header        | value                                            |
|---------------|--------------------------------------------------|
| X-User-Id     | the subject                                      |
| X-User-Scopes | the scopes, sorted, with spaces between          |
| X-User-Roles  | the roles, likewise                              |
| X-Consumer    | the application that calls, or the key's owner   |

Rule: what is empty is left out. Whatever is not visible ASCII, and the percent sign, is percent-encoded as UTF-8: no
subject can end its header, start another, or read as two words, and a service that splits at spaces and then decodes
(`urllib.parse.unquote`) has exactly what the issuer said.

The same names from outside never get this far (`core/canonical_request.py`).

Cost: 5 us for a new identity, and a look-up for one of the last 1,024. Identities are told apart as objects, which the
cache keeps alive, so one can never be taken for another.

What it does not do: say who vouches for the subject. Where two issuers may both have a user 42, a service that knows
people by X-User-Id needs a route for each issuer.
"""

from __future__ import annotations

from functools import lru_cache
from string import ascii_letters, digits, punctuation
from typing import TypeAlias
from urllib.parse import quote

from api_gateway.core.identity import Identity

IdentityHeaders: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""Header pairs; shared."""

REMEMBERED = 1024
"""How many callers' headers are kept ready."""

PLAIN = (ascii_letters + digits + punctuation).replace("%", "")
"""What stands in a header as it is; everything else is percent-encoded."""


@lru_cache(maxsize=REMEMBERED)
def identity_headers(identity: Identity) -> IdentityHeaders:
    """The headers that say who `identity` is."""
    values = (
        (b"x-user-id", _encoded(identity.subject)),
        (b"x-user-scopes", _words(identity.scopes)),
        (b"x-user-roles", _words(identity.roles)),
        (b"x-consumer", _encoded(identity.consumer)),
    )
    return tuple((name, value.encode("ascii")) for name, value in values if value)


def _words(words: frozenset[str]) -> str:
    return " ".join(sorted(map(_encoded, words)))


def _encoded(text: str) -> str:
    return quote(text, safe=PLAIN)
