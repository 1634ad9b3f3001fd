"""Algorithms: the signatures that tokens may carry, each tied to the one kind of key that it is for.

Rule: the key decides, not the token. An RSA key has no entry for HS256, so there is nothing to look up when a
token asks for it (RFC 8725 3.1).

| key                   | algorithms                                | refused below                       |
|-----------------------|-------------------------------------------|-------------------------------------|
| oct (a shared secret) | HS256, HS384, HS512                       | 32, 48, 64 bytes, the hash's length |
| RSA                   | RS256, RS384, RS512, PS256, PS384, PS512  | 2048 bits                           |
| EC P-256              | ES256                                     |                                     |
| EC P-384              | ES384                                     |                                     |
| EC P-521              | ES512                                     |                                     |
| OKP Ed25519           | Ed25519, EdDSA: its older name (RFC 9864) |                                     |

Left out: `none`; ES256K and Ed448, which identity providers do not use.

Source: RFC 7518 sections 3.2 to 3.5, RFC 8037, RFC 9864.
"""

from __future__ import annotations

from collections.abc import Mapping

HMAC_BYTES: Mapping[str, int] = {"HS256": 32, "HS384": 48, "HS512": 64}
"""The shortest key of each algorithm with a shared secret."""
RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
EC_ALGORITHMS: Mapping[str, tuple[str, ...]] = {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",)}
"""By the name of the curve."""
ED25519_ALGORITHMS = ("Ed25519", "EdDSA")

SYMMETRIC = frozenset(HMAC_BYTES)
"""Whoever can verify these can also sign."""
ASYMMETRIC = frozenset((*RSA_ALGORITHMS, *(name for names in EC_ALGORITHMS.values() for name in names),
                        *ED25519_ALGORITHMS))  # fmt: skip
ALGORITHMS = SYMMETRIC | ASYMMETRIC

RSA_BITS = (2048, 8192)
"""The sizes of RSA keys. Longer ones cost more time for each request than they add safety."""
