"""Signing keys: what the demo's identity provider signs with, and what it publishes.

Rule: one key signs. A rotation makes a new one, and goes on publishing the old one for as long as a token that it has
signed may be valid. Whoever verifies finds a key by its `kid`, so both work meanwhile.

Bound: `MOST_PUBLISHED` keys, however often somebody rotates; the oldest go first, and their tokens with them.

What it does not do: keep keys over a restart, or guard them. It is for a demo and for tests.

Source: RFC 7517 (JWK Set), RFC 7518 3.4 (ES256).
"""

from __future__ import annotations

from random import Random

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.jwk import ECKey

from api_gateway.core.clock import Clock

MOST_PUBLISHED = 5
"""Keys in the published set."""

_ORDER_OF_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class SigningKeys:
    """ES256 keys, the newest last. The same `random` makes the same keys."""

    def __init__(self, clock: Clock, random: Random, *, overlap: float) -> None:
        """`overlap` is the seconds for which a replaced key is published still."""
        self._clock = clock
        self._random = random
        self._overlap = overlap
        self._made = 0
        self._current = self._make()
        self._replaced: list[tuple[ECKey, float]] = []

    @property
    def current(self) -> str:
        """The `kid` of the key that signs."""
        return str(self._current.kid)

    def rotate(self) -> str:
        """Sign with a new key from now on; its `kid`."""
        self._replaced.append((self._current, self._clock.wall() + self._overlap))
        self._replaced = self._replaced[1 - MOST_PUBLISHED :]
        self._current = self._make()
        return self.current

    def published(self) -> dict[str, object]:
        """The JWK Set: public parts only, the key that signs first."""
        now = self._clock.wall()
        old = [key for key, until in reversed(self._replaced) if now < until]
        return {"keys": [key.as_dict(private=False) for key in (self._current, *old)]}

    def sign(self, claims: dict[str, object]) -> str:
        """An access token (RFC 9068) with these claims."""
        return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": self.current}, claims, self._current)

    def _make(self) -> ECKey:
        self._made += 1
        private = ec.derive_private_key(self._random.randrange(1, _ORDER_OF_P256), ec.SECP256R1())
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return ECKey.import_key(pem, {"kid": f"key-{self._made}", "use": "sig", "alg": "ES256"})
