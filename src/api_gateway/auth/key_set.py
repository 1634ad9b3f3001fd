"""Key set: the keys of one issuer, found by the `kid` and `alg` of a token's header.

Rule: `kid` is a name in a dictionary, and nothing else: never a path, a query, or an address. A key answers only
for the algorithms of its kind (`algorithms.py`), so no token can make an RSA key serve as an HMAC secret.

| the token says       | then                                                                    |
|----------------------|-------------------------------------------------------------------------|
| a `kid` of the set   | that key, if its algorithm fits                                         |
| another `kid`        | the only key without a name that fits; a PEM or a secret has no name    |
| none                 | the only key that fits, of all                                          |
| no key, or several   | none                                                                    |

A file is the operator's own: one bad key in it is an error, told at once. A provider publishes keys for other
purposes too, and makes its own mistakes: there a bad key is left out, and the reasons are for the log. Two keys
with one `kid` are both bad, as nobody knows which is meant.

Bound: 100 keys. What it does not do: fetch or watch (`key_source.py`, `remote_key_set.py`).

Source: RFC 7517 section 5; RFC 8725 sections 3.1 and 3.10.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from api_gateway.auth.algorithms import HMAC_BYTES
from api_gateway.auth.strict_json import read_object
from api_gateway.auth.verification_key import KeyRefused, VerificationKey, Verify, from_jwk, from_pem, from_secret
from api_gateway.core.errors import ConfigurationError

MOST_KEYS = 100

Part = TypeVar("Part")

_PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----[^-]+-----END \1-----")


class KeySet:
    """Some keys; immutable, so that whoever holds the same object holds the same keys."""

    __slots__ = ("_by_kid", "_nameless", "_only", "keys")

    keys: tuple[VerificationKey, ...]

    def __init__(self, keys: Iterable[VerificationKey]) -> None:
        """Raises KeyRefused if there is no key, too many, or two of one name."""
        self.keys = tuple(keys)
        if not self.keys:
            raise KeyRefused("there is no usable key")
        if len(self.keys) > MOST_KEYS:
            raise KeyRefused(f"there are more than {MOST_KEYS} keys")
        if twice := _twice(self.keys):
            raise KeyRefused(f"two keys have the kid {min(twice)!r}")
        self._by_kid = {key.kid: key.verifiers for key in self.keys if key.kid is not None}
        self._only = _only_one_of_each(self.keys)
        self._nameless = _only_one_of_each([key for key in self.keys if key.kid is None])

    def find(self, algorithm: str, kid: str | None) -> Verify | None:
        """What verifies such a token; None if no key does, or if it cannot be told which."""
        if kid is None:
            return self._only.get(algorithm)
        verifiers = self._by_kid.get(kid)
        return self._nameless.get(algorithm) if verifiers is None else verifiers.get(algorithm)

    def __len__(self) -> int:
        return len(self.keys)

    def __repr__(self) -> str:
        return f"<KeySet of {len(self.keys)}>"


def keys_of_secret(secret: str, algorithms: Iterable[str]) -> KeySet:
    """The one key that a shared secret is, in UTF-8.

    Raises:
        ConfigurationError: it is too short for one of `algorithms`. The secret is not shown.
    """
    try:
        raw = secret.encode()
    except UnicodeEncodeError:
        raise ConfigurationError("the secret is not text in UTF-8: put a binary one into a JWKS file") from None
    for name in algorithms:
        if len(raw) < HMAC_BYTES.get(name, 0):
            raise ConfigurationError(f"the secret is too short for {name}: give it {HMAC_BYTES[name]} random bytes")
    try:
        return KeySet([from_secret(raw)])
    except KeyRefused as error:
        raise ConfigurationError(f"the secret cannot be used: {error}") from None


def keys_of_file(raw: bytes, name: str) -> KeySet:
    """The keys of a JWKS document, or of public keys and certificates in PEM.

    Raises:
        ConfigurationError: one of them cannot be used; the message names the file and the key, and shows none.
    """
    try:
        if raw.lstrip().startswith(b"-----BEGIN "):
            return KeySet(_each(_pem_blocks(raw), from_pem))
        return KeySet(_each(_listed(raw), from_jwk))
    except KeyRefused as error:
        raise ConfigurationError(f"{name}: {error}: correct the file") from None


class Published(NamedTuple):
    """What a provider's JWKS holds."""

    keys: KeySet
    left_out: list[str]
    """Why, one sentence for each key."""


def keys_of_provider(raw: bytes) -> Published:
    """The usable keys of a JWKS document that a provider publishes.

    Raises:
        KeyRefused: it is no such document, or holds no usable key.
    """
    left_out: list[str] = []
    usable: list[VerificationKey] = []
    for number, jwk in enumerate(_listed(raw), 1):
        try:
            key = from_jwk(jwk)
            if key.verifiers.keys() & HMAC_BYTES.keys():
                raise KeyRefused("it is a shared secret, and has been published")
        except KeyRefused as error:
            left_out.append(f"key {number} {_named(jwk)}is left out: {error}")
        else:
            usable.append(key)
    twice = _twice(usable)
    left_out += [f"the keys with the kid {kid!r} are left out: there are several" for kid in sorted(twice)]
    return Published(KeySet(key for key in usable if key.kid not in twice), left_out)


def _listed(raw: bytes) -> Sequence[object]:
    try:
        keys = read_object(raw).get("keys")
    except ValueError as error:
        raise KeyRefused(f"it is not a JWKS document: {_without_content(error)}") from None
    if not isinstance(keys, list):
        raise KeyRefused("it is not a JWKS document: it has no list of keys")
    if len(keys) > MOST_KEYS:
        raise KeyRefused(f"there are more than {MOST_KEYS} keys")
    return keys


def _each(parts: Sequence[Part], make: Callable[[Part], VerificationKey]) -> Iterator[VerificationKey]:
    for number, part in enumerate(parts, 1):
        try:
            yield make(part)
        except KeyRefused as error:
            raise KeyRefused(f"key {number} {_named(part)}cannot be used: {error}") from None


def _pem_blocks(raw: bytes) -> list[bytes]:
    blocks = [match[0] for match in _PEM_BLOCK.finditer(raw)]
    if len(blocks) != raw.count(b"-----BEGIN "):
        raise KeyRefused("a block of PEM in it has no end")
    return blocks


def _named(jwk: object) -> str:
    kid = jwk.get("kid") if isinstance(jwk, dict) else None
    return f"({kid[:64]!r}) " if isinstance(kid, str) else ""


def _without_content(error: ValueError) -> str:
    """What a JSON decoder says, less the text around the place: a private key may stand there."""
    return str(error) if not isinstance(error, UnicodeDecodeError) else "it is not UTF-8"


def _twice(keys: Iterable[VerificationKey]) -> set[str]:
    counts = Counter(key.kid for key in keys if key.kid is not None)
    return {kid for kid, count in counts.items() if count > 1}


def _only_one_of_each(keys: Sequence[VerificationKey]) -> dict[str, Verify]:
    """By algorithm, what verifies it, if there is exactly one."""
    counts = Counter(name for key in keys for name in key.verifiers)
    return {name: verify for key in keys for name, verify in key.verifiers.items() if counts[name] == 1}
