"""Verification key: one key that may verify signatures, checked when it is loaded.

Rule: joserfc verifies, and accepts some keys that it should not; those are refused here, before the first token
comes. A key must be for signatures (`use`, `key_ops`), of a kind and size that `algorithms.py` knows, and public,
unless it is a shared secret. A private key where a public one belongs is refused, not trimmed: whoever could read
the document could forge tokens, and the gateway must not be the one place where that goes unnoticed.

Bound: a key of at most 8192 bits, a `kid` of 256 characters.

What it does not do: choose among keys (`key_set.py`), or show any of them: errors name what is wrong, `repr` the
`kid`, which every token shows anyway.

Source: RFC 7517 section 4, RFC 7518 section 6, RFC 8037; RFC 8725 section 3.5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from api_gateway.auth.algorithms import EC_ALGORITHMS, ED25519_ALGORITHMS, HMAC_BYTES, RSA_ALGORITHMS, RSA_BITS
from api_gateway.auth.strict_json import from_base64url

Verify: TypeAlias = Callable[[bytes, bytes], bool]
"""Whether the second is a signature of the first."""

LONGEST_KID = 256
"""Characters."""

_PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
_NIST_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_LONGEST_MODULUS = 4 * RSA_BITS[1] // 8 // 3 + 4  # characters of base64url
_LONGEST_EXPONENT = 6  # 32 bits; 65537 is what everybody uses
_KEY_TEXTS = (b"-----BEGIN", b"---- BEGIN", b"ssh-", b"ecdsa-sha2-")


class KeyRefused(ValueError):
    """A key cannot be used here. `str()` says why, and shows nothing of the key."""


@dataclass(frozen=True, slots=True, eq=False)
class VerificationKey:
    """One key, with what it can verify."""

    kid: str | None
    """Its name in the header of tokens; None if it has no name."""
    verifiers: Mapping[str, Verify] = field(repr=False)
    """By algorithm; there is no other that this key would do for."""


def from_jwk(jwk: object) -> VerificationKey:
    """The key of a JWK (RFC 7517).

    Raises:
        KeyRefused: it is none, or not one that may verify tokens here.
    """
    if not isinstance(jwk, dict):
        raise KeyRefused("it is not a JSON object")
    _check_purpose(jwk)
    kind = jwk.get("kty")
    verifiers = from_secret(_bytes_of(_member(jwk, "k", 4096))).verifiers if kind == "oct" else _public_key(jwk, kind)
    return VerificationKey(_kid(jwk), {name: verifiers[name] for name in _restricted(verifiers, jwk.get("alg"))})


def from_secret(secret: bytes) -> VerificationKey:
    """The key that a shared secret is.

    Raises:
        KeyRefused: it is too short for any algorithm, or the text of a public key.
    """
    algorithms = [name for name, shortest in HMAC_BYTES.items() if len(secret) >= shortest]
    if not algorithms:
        raise KeyRefused(f"a shared secret must have at least {min(HMAC_BYTES.values())} bytes")
    if any(mark in secret for mark in _KEY_TEXTS):  # joserfc would only warn of some
        raise KeyRefused("it is the text of a key, which is no secret to share")
    return VerificationKey(None, _verifiers(_imported(lambda: OctKey.import_key(secret)), algorithms))


def from_pem(block: bytes) -> VerificationKey:
    """The key of one PEM block: a public key or a certificate.

    Raises:
        KeyRefused: it is neither, or not one that may verify tokens here.
    """
    if b"PRIVATE KEY-----" in block:
        raise KeyRefused("it is a private key, and verifying needs the public one only")
    try:
        certified = b"-----BEGIN CERTIFICATE-----" in block
        native = load_pem_x509_certificate(block).public_key() if certified else load_pem_public_key(block)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyRefused("it is neither a public key nor a certificate in PEM") from None
    if isinstance(native, RSAPublicKey):
        _check_bits(native.key_size)
        return VerificationKey(None, _verifiers(RSAKey.import_key(native), RSA_ALGORITHMS))
    if isinstance(native, Ed25519PublicKey):
        return VerificationKey(None, _verifiers(OKPKey.import_key(native), ED25519_ALGORITHMS))
    curve = _NIST_CURVES.get(native.curve.name) if isinstance(native, EllipticCurvePublicKey) else None
    if curve is None or not isinstance(native, EllipticCurvePublicKey):
        raise KeyRefused("it is neither RSA, nor on P-256, P-384, P-521 or Ed25519")
    return VerificationKey(None, _verifiers(ECKey.import_key(native), EC_ALGORITHMS[curve]))


def _verifiers(key: Key, algorithms: Iterable[str]) -> dict[str, Verify]:
    return {name: _verify_with(key, name) for name in algorithms}


def _verify_with(key: Key, algorithm: str) -> Verify:
    model = JWSRegistry.algorithms[algorithm]
    model.check_key(key)

    def verify(message: bytes, signature: bytes) -> bool:
        return model.verify(message, signature, key)

    return verify


def _check_purpose(jwk: Mapping[str, object]) -> None:
    if jwk.get("use", "sig") != "sig":
        raise KeyRefused("its use is not sig")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise KeyRefused("its key_ops do not hold verify")
    if any(operation not in ("verify", "sign") for operation in operations):
        raise KeyRefused("its key_ops mix signatures with something else")


def _kid(jwk: Mapping[str, object]) -> str | None:
    kid = jwk.get("kid")
    if kid is not None and (not isinstance(kid, str) or not 0 < len(kid) <= LONGEST_KID):
        raise KeyRefused(f"its kid is not a text of 1 to {LONGEST_KID} characters")
    return kid


def _restricted(algorithms: Iterable[str], designed: object) -> list[str]:
    """Those of `algorithms` that a JWK's `alg` leaves; both names of Ed25519 mean the same."""
    names = ED25519_ALGORITHMS if designed in ED25519_ALGORITHMS else (designed,)
    usable = [name for name in algorithms if designed is None or name in names]
    if not usable:
        raise KeyRefused("its alg is not one that such a key can verify here")
    return usable


def _public_key(jwk: Mapping[str, object], kind: object) -> Mapping[str, Verify]:
    if any(name in jwk for name in _PRIVATE):
        raise KeyRefused("it is a private key, and verifying needs the public one only")
    curve = jwk.get("crv")
    if kind == "RSA":
        modulus, exponent = _member(jwk, "n", _LONGEST_MODULUS), _member(jwk, "e", _LONGEST_EXPONENT)
        number = int.from_bytes(_bytes_of(modulus))
        _check_bits(number.bit_length())
        if number % 2 == 0:
            raise KeyRefused("its numbers are not those of a key")
        rsa = _imported(lambda: RSAKey.import_key({"kty": "RSA", "n": modulus, "e": exponent}))
        return _verifiers(rsa, RSA_ALGORITHMS)
    if kind == "EC" and isinstance(curve, str) and curve in EC_ALGORITHMS:
        x, y = _member(jwk, "x", 88), _member(jwk, "y", 88)
        ec = _imported(lambda: ECKey.import_key({"kty": "EC", "crv": curve, "x": x, "y": y}))
        return _verifiers(ec, EC_ALGORITHMS[curve])
    if kind == "OKP" and curve == "Ed25519":
        point = _member(jwk, "x", 43)
        okp = _imported(lambda: OKPKey.import_key({"kty": "OKP", "crv": curve, "x": point}))
        return _verifiers(okp, ED25519_ALGORITHMS)
    raise KeyRefused("its kty or crv is not supported: RSA, EC on P-256, P-384, P-521, OKP on Ed25519, or oct")


def _imported(make: Callable[[], Key]) -> Key:
    try:
        return make()
    except (JoseError, ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyRefused("its numbers are not those of a key") from None


def _check_bits(bits: int) -> None:
    if not RSA_BITS[0] <= bits <= RSA_BITS[1]:
        raise KeyRefused(f"an RSA key must have {RSA_BITS[0]} to {RSA_BITS[1]} bits, not {bits}")


def _member(jwk: Mapping[str, object], name: str, longest: int) -> str:
    value = jwk.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise KeyRefused(f"its {name} is missing, or not a text of up to {longest} characters")
    return value


def _bytes_of(text: str) -> bytes:
    try:
        return from_base64url(text.encode("ascii"))
    except ValueError:
        raise KeyRefused("a number of it is not base64url") from None
