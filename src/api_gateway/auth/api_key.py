"""API keys: who holds the secret is who it was given to.

    X-API-Key: gw_9f2c41d07ab3_5c0e...                  gw, a public id, 64 hexadecimal digits of secret

Rule: the id finds the record, and may be shown to anybody. Of the key the record has nothing but the SHA-256, of
all of it, so an id with another key's secret is as wrong as any. Digests are compared in constant time, and an
unknown id is compared too, with a digest that no key has: it costs what a wrong secret costs. That a key has expired
or is disabled is said only to who holds it.

Why a fast hash: a slow one (Argon2, scrypt) makes each guess dear, for what people choose as passwords is found in
some billions of guesses. Nobody guesses 256 random bits, at any price, so there slowness protects nothing and lets
whoever sends nonsense burn a tenth of a second of our processor a request. Nor is there anything for a salt to tell
apart. For the same reason this is no place for secrets that people choose.

Why no checksum in the key: it tells slips of the pen from forgeries, and nobody writes these by hand.

The challenge is `ApiKey`: RFC 9110 11.6.1 wants one in every 401, no scheme is registered for keys in a header of
their own, and a client skips a scheme that it does not know.

Bound: at most `LONGEST_KEY` bytes are hashed; a header that is there twice, empty or longer is refused before.
Cost: one scan of the headers, one SHA-256, one look-up: about 2 us. Identities are made when the file is loaded.
What it does not do: read the file of keys (`key_file.py`), or count failures.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from typing import Final, Protocol

from api_gateway.auth.authenticator import InvalidCredentials
from api_gateway.auth.challenge import DEFAULT_REALM, challenge
from api_gateway.core.clock import Clock
from api_gateway.core.identity import Identity
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext

LONGEST_KEY: Final = 256
"""Bytes of a header that may be a key; ours have 80."""
DEFAULT_HEADER: Final = "X-API-Key"

_PREFIX: Final = "gw"
_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True, eq=False)
class KeyRecord:
    """What is known of one key."""

    id: str
    """Its public part."""
    digest: bytes = field(repr=False)
    """The SHA-256 of the whole key."""
    identity: Identity
    """Whom it proves."""
    disabled: bool = False
    """Whether it proves nothing for the time being."""


@dataclass(frozen=True, slots=True, eq=False)
class NewKey:
    """A key that was made just now: the only time that its text is known."""

    id: str
    text: str = field(repr=False)


class KeySource(Protocol):
    """Where the records are; a `WatchedFile` of them is one."""

    @property
    def value(self) -> Mapping[str, KeyRecord]:
        """The records as they are now, by id."""
        ...


# Nobody's: a digest of zeros is that of no known text, and a match with this record is refused in any case.
_NOBODY: Final = KeyRecord("", bytes(32), Identity("nobody", "api_key"), disabled=True)
_WRONG: Final = "The API key is not valid."


def new_key() -> NewKey:
    """A key of 256 random bits, under a random id."""
    identifier = secrets.token_hex(_ID_BYTES)
    return NewKey(identifier, f"{_PREFIX}_{identifier}_{secrets.token_hex(_SECRET_BYTES)}")


def key_digest(key: bytes) -> bytes:
    """What a record keeps of `key`: 32 bytes."""
    return sha256(key).digest()


class ApiKeyAuthenticator:
    """Knows callers by the key in one header."""

    def __init__(self, keys: KeySource, clock: Clock, *, header: str = DEFAULT_HEADER) -> None:
        """`header` is the name of the header that holds the key, and nothing else."""
        self.challenge = challenge("ApiKey", realm=DEFAULT_REALM, header=header)
        self.credential_headers = frozenset({header.lower().encode("ascii")})
        self._header = header.lower().encode("ascii")
        self._keys = keys
        self._clock = clock

    async def authenticate(self, request: Request, context: RequestContext) -> Identity | None:
        """The owner of the key in the request; None without the header.

        Raises:
            InvalidCredentials: the header holds no key of ours, or one that has expired or is disabled.
        """
        header = self._header
        values = [value for name, value in request.headers.pairs if name == header]
        if not values:
            return None
        if len(values) > 1:
            raise InvalidCredentials("The API key is there more than once.")
        return self._owner(values[0])

    def _owner(self, key: bytes) -> Identity:
        if not key:
            raise InvalidCredentials("The API key is empty.")
        if len(key) > LONGEST_KEY:
            raise InvalidCredentials("The API key is too long.")
        record = self._keys.value.get(_id_of(key), _NOBODY)
        matches = compare_digest(key_digest(key), record.digest)
        if not matches or record is _NOBODY:
            raise InvalidCredentials(_WRONG)
        if record.disabled:
            raise InvalidCredentials("The API key is disabled.")
        identity = record.identity
        if identity.expires is not None and self._clock.wall() >= identity.expires:
            raise InvalidCredentials("The API key has expired.")
        return identity


def _id_of(key: bytes) -> str:
    """The part between the first two underscores; empty, which no record has as id, if there are none."""
    parts = key.split(b"_", 2)
    return parts[1].decode("latin-1") if len(parts) == 3 else ""
