"""Key sets: which keys are loaded, and which answer for a token."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ed448, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from api_gateway.auth.algorithms import ALGORITHMS, ASYMMETRIC, SYMMETRIC
from api_gateway.auth.key_set import MOST_KEYS, KeySet, keys_of_file, keys_of_provider, keys_of_secret
from api_gateway.auth.key_source import FixedKeys, KeySetFile
from api_gateway.auth.verification_key import KeyRefused, from_jwk
from api_gateway.core.errors import ConfigurationError
from api_gateway.simulation import run
from tests.support.jwt_tokens import EC, ED, OCT, OTHER_EC, RSA, SECRET, encoded, jwk, jwks, token

WEAK_RSA = rsa.generate_private_key(65537, 1024).public_key()
P384, P521 = ECKey.generate_key("P-384", {"kid": "p384"}), ECKey.generate_key("P-521", {"kid": "p521"})
OF_KEY: dict[str, tuple[Key, set[str]]] = {
    "RSA": (RSA, {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "P-256": (EC, {"ES256"}),
    "P-384": (P384, {"ES384"}),
    "P-521": (P521, {"ES512"}),
    "Ed25519": (ED, {"EdDSA", "Ed25519"}),
    "oct": (OCT, {"HS256", "HS384", "HS512"}),
}


def number(value: int) -> str:
    return encoded(value.to_bytes((value.bit_length() + 7) // 8)).decode()


def certificate(key: Key) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "id.example")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert isinstance(key, RSAKey)
    assert key.private_key is not None
    builder = x509.CertificateBuilder(name, name, key.public_key, 1, now, now + timedelta(days=9))
    return builder.sign(key.private_key, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.mark.parametrize("kind", OF_KEY)
def test_each_kind_of_key_verifies_its_algorithms_and_no_other(kind: str) -> None:
    key, algorithms = OF_KEY[kind]
    private = key.as_dict(private=True) if kind == "oct" else jwk(key)
    keys = keys_of_file(jwks(private), "keys.json")
    assert {name for name in ALGORITHMS if keys.find(name, key.kid) is not None} == algorithms
    for name in algorithms - {"EdDSA"}:  # joserfc would warn while signing
        message, _, signature = token(key=key, alg=name).encode().rpartition(b".")
        verify = keys.find(name, key.kid)
        assert verify is not None
        raw = OctKey.import_key({"kty": "oct", "k": signature.decode()}).raw_value
        assert verify(message, raw)
        assert not verify(message + b"x", raw)
        assert not verify(message, raw[:-1] + bytes([raw[-1] ^ 1]))


def test_the_algorithms_are_those_with_a_key() -> None:
    assert set().union(*(names for _, names in OF_KEY.values())) == ALGORITHMS
    assert not SYMMETRIC & ASYMMETRIC
    assert "none" not in ALGORITHMS


def test_the_alg_of_a_key_leaves_that_one_only() -> None:
    keys = keys_of_file(jwks(jwk(RSA, alg="PS256"), jwk(ED, alg="EdDSA")), "keys.json")
    assert {name for name in ALGORITHMS if keys.find(name, "rsa")} == {"PS256"}
    assert {name for name in ALGORITHMS if keys.find(name, "ed")} == {"EdDSA", "Ed25519"}, "two names of one thing"


UNUSABLE: dict[str, tuple[Callable[[], object], str]] = {
    "use enc": (lambda: jwk(RSA, use="enc"), "its use is not sig"),
    "use something": (lambda: jwk(RSA, use=7), "its use is not sig"),
    "key_ops encrypt": (lambda: jwk(RSA, key_ops=["encrypt"]), "key_ops do not hold verify"),
    "key_ops sign": (lambda: jwk(RSA, key_ops=["sign"]), "key_ops do not hold verify"),
    "key_ops mixed": (lambda: jwk(RSA, key_ops=["verify", "wrapKey"]), "key_ops mix"),
    "key_ops text": (lambda: jwk(RSA, key_ops="verify"), "key_ops do not hold verify"),
    "RSA 1024": (
        lambda: {"kty": "RSA", "n": number(WEAK_RSA.public_numbers().n), "e": "AQAB", "kid": "w"},
        "2048 to 8192 bits, not 1024",
    ),
    "RSA huge": (lambda: {"kty": "RSA", "n": "_" * 4000, "e": "AQAB"}, "its n is missing, or not"),
    "RSA 8200": (lambda: {"kty": "RSA", "n": number((1 << 8199) + 1), "e": "AQAB"}, "not 8200"),
    "RSA e 1": (lambda: jwk(RSA, e="AQ"), "not those of a key"),
    "RSA e even": (lambda: jwk(RSA, e="AQAA"), "not those of a key"),
    "RSA e huge": (lambda: jwk(RSA, e="AQAAAAAAAAAB"), "its e is missing, or not"),
    "RSA n even": (lambda: jwk(RSA, n=number(1 << 2047)), "not those of a key"),
    "RSA without n": (lambda: {"kty": "RSA", "e": "AQAB"}, "its n is missing"),
    "RSA n number": (lambda: jwk(RSA, n=5), "its n is missing"),
    "RSA n padded": (lambda: jwk(RSA, n=str(RSA["n"]) + "=="), "not base64url"),
    "point not on curve": (lambda: jwk(EC, y=EC["x"]), "not those of a key"),
    "point at infinity": (lambda: jwk(EC, x="AA", y="AA"), "not those of a key"),
    "curve of another": (lambda: jwk(EC, crv="P-384"), "not those of a key"),
    "curve unknown": (lambda: jwk(EC, crv="P-999"), "kty or crv is not supported"),
    "curve a list": (lambda: jwk(EC, crv=["P-256"]), "kty or crv is not supported"),
    "secp256k1": (lambda: jwk(ECKey.generate_key("secp256k1")), "kty or crv is not supported"),
    "Ed448": (lambda: jwk(OKPKey.generate_key("Ed448")), "kty or crv is not supported"),
    "X25519": (lambda: jwk(OKPKey.generate_key("X25519")), "kty or crv is not supported"),
    "Ed25519 short": (lambda: jwk(ED, x="AAAA"), "not those of a key"),
    "kty unknown": (lambda: jwk(RSA, kty="AKP"), "kty or crv is not supported"),
    "kty missing": (lambda: {"kid": "x"}, "kty or crv is not supported"),
    "kty a list": (lambda: jwk(RSA, kty=["RSA"]), "kty or crv is not supported"),
    "alg of encryption": (lambda: jwk(RSA, alg="RSA-OAEP"), "its alg is not one"),
    "alg of another kind": (lambda: jwk(RSA, alg="HS256"), "its alg is not one"),
    "alg none": (lambda: jwk(RSA, alg="none"), "its alg is not one"),
    "alg a list": (lambda: jwk(RSA, alg=["RS256"]), "its alg is not one"),
    "kid a number": (lambda: jwk(RSA, kid=1), "its kid is not a text"),
    "kid empty": (lambda: jwk(RSA, kid=""), "its kid is not a text"),
    "kid long": (lambda: jwk(RSA, kid="k" * 257), "its kid is not a text"),
    "private RSA": (lambda: RSA.as_dict(private=True), "it is a private key"),
    "private EC": (lambda: EC.as_dict(private=True), "it is a private key"),
    "private Ed25519": (lambda: ED.as_dict(private=True), "it is a private key"),
    "RSA that is a secret": (lambda: jwk(RSA, k="abc"), "it is a private key"),
    "HMAC short": (lambda: {"kty": "oct", "k": encoded(b"x" * 31).decode()}, "at least 32 bytes"),
    "HMAC empty": (lambda: {"kty": "oct", "k": ""}, "its k is missing"),
    "HMAC without k": (lambda: {"kty": "oct"}, "its k is missing"),
    "HMAC short for its alg": (lambda: {"kty": "oct", "k": encoded(b"x" * 32).decode(), "alg": "HS512"}, "its alg"),
    "HMAC of a public key": (lambda: {"kty": "oct", "k": encoded(RSA.as_pem()).decode()}, "text of a key"),
    "HMAC of a DER key": (lambda: {"kty": "oct", "k": encoded(RSA.as_der()).decode()}, "not those of a key"),
    "not an object": (lambda: "key", "not a JSON object"),
    "null": (lambda: None, "not a JSON object"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_key_is_refused_in_a_file_and_left_out_of_a_providers_set(name: str) -> None:
    bad, reason = UNUSABLE[name]
    with pytest.raises(KeyRefused, match=reason) as caught:
        from_jwk(bad())
    document = json.dumps({"keys": [jwk(EC), bad()]}).encode()
    with pytest.raises(ConfigurationError, match=r"keys\.json: key 2 .*cannot be used: ") as in_file:
        keys_of_file(document, "keys.json")
    keys, left_out = keys_of_provider(document)
    assert len(keys) == 1
    assert keys.find("ES256", "ec") is not None
    assert len(left_out) == 1
    for secret in (str(RSA.as_dict(private=True)["d"]), str(EC.as_dict(private=True)["d"]), SECRET, "xxxx"):
        assert secret not in f"{caught.value} {in_file.value} {left_out}"


def test_a_secret_that_a_provider_publishes_is_left_out() -> None:
    keys, left_out = keys_of_provider(jwks(EC, OCT.as_dict(private=True)))
    assert keys.find("HS256", "oct") is None
    assert left_out == ["key 2 ('oct') is left out: it is a shared secret, and has been published"]


def test_two_keys_of_one_name_are_refused_and_neither_is_used_of_a_providers() -> None:
    document = jwks(EC, jwk(OTHER_EC, kid="ec"), RSA)
    with pytest.raises(ConfigurationError, match="two keys have the kid 'ec'"):
        keys_of_file(document, "keys.json")
    keys, left_out = keys_of_provider(document)
    assert keys.find("ES256", "ec") is None
    assert keys.find("ES256", None) is None
    assert keys.find("RS256", "rsa") is not None
    assert left_out == ["the keys with the kid 'ec' are left out: there are several"]


def test_an_encryption_key_of_the_same_name_does_not_matter() -> None:
    keys, _ = keys_of_provider(jwks(EC, jwk(RSA, kid="ec", use="enc")))
    assert keys.find("ES256", "ec") is not None


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "not a JWKS document"),
        (b"[]", "not a JSON object"),
        (b"{}", "no list of keys"),
        (b'{"keys": {}}', "no list of keys"),
        (b'{"keys": []}', "no usable key"),
        (b'{"keys": [], "keys": []}', "stands twice"),
        (b'{"keys": NaN}', "NaN is not JSON"),
        (b'{"keys": [\xff]}', "not UTF-8"),
        (b'{"keys": ' + b"[" * 100_000, "too deep"),
        (b'{"keys": ' + b"[" * 40 + b"]" * 40 + b"}", "too deep"),
        (b'{"keys": [' + b"1," * 100 + b"1]}", "more than 100 keys"),
    ],
)
def test_what_is_no_document_of_keys_is_refused(document: bytes, reason: str) -> None:
    with pytest.raises(KeyRefused, match=reason):
        keys_of_provider(document)
    with pytest.raises(ConfigurationError, match=rf"keys\.json: .*{reason}"):
        keys_of_file(document, "keys.json")


def test_as_many_keys_as_there_may_be() -> None:
    document = [jwk(EC, kid=str(name)) for name in range(MOST_KEYS)]
    assert len(keys_of_provider(jwks(*document)).keys) == MOST_KEYS


def test_a_provider_with_no_usable_key_is_refused() -> None:
    with pytest.raises(KeyRefused, match="no usable key"):
        keys_of_provider(jwks(jwk(EC, use="enc")))


def test_a_token_without_a_name_needs_exactly_one_key_that_fits() -> None:
    assert keys_of_file(jwks(EC, RSA), "-").find("ES256", None) is not None
    assert keys_of_file(jwks(EC, OTHER_EC, RSA), "-").find("ES256", None) is None
    assert keys_of_file(jwks(EC, RSA), "-").find("ES384", None) is None


def test_a_key_without_a_name_fits_any_name_if_it_is_the_only_one() -> None:
    nameless, second = jwk(EC), jwk(OTHER_EC)
    del nameless["kid"], second["kid"]
    assert keys_of_file(jwks(nameless, RSA), "-").find("ES256", "whatever") is not None
    assert keys_of_file(jwks(nameless, RSA), "-").find("ES256", "rsa") is None
    assert keys_of_file(jwks(nameless, second), "-").find("ES256", "whatever") is None


def pem(key: Key) -> bytes:
    assert not isinstance(key, OctKey)
    return key.as_pem()


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS256"), (EC, "ES256"), (P521, "ES512"), (ED, "Ed25519")])
def test_a_public_key_in_pem_is_a_key_set(key: Key, alg: str) -> None:
    keys = keys_of_file(b"\n" + pem(key), "key.pem")
    assert keys.find(alg, "any name") is not None
    assert keys.find("HS256", None) is None


def test_a_certificate_and_a_key_in_one_file() -> None:
    keys = keys_of_file(certificate(RSA) + pem(EC), "keys.pem")
    message, _, signature = token(key=RSA, alg="RS256").encode().rpartition(b".")
    verify = keys.find("RS256", None)
    assert verify is not None
    assert verify(message, OctKey.import_key({"kty": "oct", "k": signature.decode()}).raw_value)
    assert keys.find("ES256", None) is not None


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (lambda: RSA.as_pem(private=True), "it is a private key"),
        (lambda: EC.as_pem(private=True), "it is a private key"),
        (lambda: WEAK_RSA.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "not 1024"),
        (lambda: ECKey.generate_key("secp256k1").as_pem(), "neither RSA, nor on"),
        (
            lambda: (
                ed448.Ed448PrivateKey.generate()
                .public_key()
                .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            ),
            "neither RSA, nor on",
        ),
        (
            lambda: (
                dsa.generate_private_key(2048)
                .public_key()
                .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            ),
            "neither RSA, nor on",
        ),
        (lambda: b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "neither a public key nor"),
        (lambda: b"-----BEGIN PUBLIC KEY-----\nAAAA\n", "has no end"),
    ],
)
def test_an_unusable_block_of_pem_is_refused(block: Callable[[], bytes], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as caught:
        keys_of_file(pem(ED) + block(), "keys.pem")
    assert "-----" not in str(caught.value)


@pytest.mark.parametrize(("alg", "length"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_secret_is_as_long_as_the_hash(alg: str, length: int) -> None:
    assert keys_of_secret("x" * length, [alg]).find(alg, None) is not None
    with pytest.raises(ConfigurationError, match=f"too short for {alg}") as caught:
        keys_of_secret("y" * (length - 1), [alg])
    assert "yy" not in str(caught.value)


@pytest.mark.parametrize("secret", ["short", "\udcff" * 64, "-----BEGIN PUBLIC KEY-----" + "x" * 40])
def test_a_secret_that_is_none_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        keys_of_secret(secret, [])
    assert secret not in str(caught.value)


def test_nothing_of_a_key_is_shown() -> None:
    keys = keys_of_secret(SECRET, ["HS256"])
    shown = f"{keys!r} {keys.keys!r} {keys.keys[0]!r} {FixedKeys(keys)!r}"
    assert SECRET not in shown
    assert "verifiers" not in shown


def test_a_set_needs_a_key() -> None:
    with pytest.raises(KeyRefused):
        KeySet([])


def test_a_file_of_keys_is_loaded_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(jwks(EC))

    async def main() -> None:
        source = KeySetFile(path)
        first = source.current
        assert first is not None
        assert first.find("ES256", "ec") is not None
        assert await source.look_again() is first
        path.write_bytes(jwks(OTHER_EC, RSA))
        source.look()
        second = source.current
        assert second is not None
        assert second is not first
        assert second.find("ES256", "ec") is None
        path.write_bytes(b"half")
        source.look()
        assert source.current is second

    run(main)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read"):
        KeySetFile(tmp_path / "keys.json")
