"""Attacks on tokens, each by its name."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, RSAKey

from api_gateway.auth.authenticator import InvalidCredentials
from api_gateway.auth.bearer import LONGEST_TOKEN
from api_gateway.auth.jwt import JwtAuthenticator
from api_gateway.auth.jwt_claims import ClaimRules
from api_gateway.auth.key_set import keys_of_file, keys_of_provider, keys_of_secret
from api_gateway.auth.key_source import FixedKeys
from api_gateway.auth.remote_key_set import RemoteKeySet
from api_gateway.core.clock import ManualClock
from api_gateway.core.headers import Headers
from api_gateway.core.identity import Identity
from api_gateway.core.request import Request
from api_gateway.core.request_context import RequestContext
from api_gateway.simulation import VirtualClock, run
from tests.support.jwt_tokens import (
    AUDIENCE,
    EC,
    ED,
    ISSUER,
    NOW,
    OCT,
    RSA,
    SECRET,
    Provider,
    claims,
    encoded,
    jwk,
    jwks,
    request_with,
    token,
)

GOOD = token(claims(aud=AUDIENCE))
RULES = ClaimRules(ISSUER, frozenset({AUDIENCE}))
ALGORITHMS = ("ES256", "RS256", "PS256", "Ed25519", "EdDSA", "HS256")
EVIL = RSAKey.generate_key(2048, {"kid": "evil"})
_HEAD, _BODY, _SIGNATURE = GOOD.split(".")


@cache
def authenticator() -> JwtAuthenticator:
    """It has keys of every kind, so that each confusion would have something to be confused with."""
    keys = keys_of_file(jwks(EC, RSA, ED, OCT.as_dict(private=True)), "keys.json")
    return JwtAuthenticator(FixedKeys(keys), RULES, algorithms=ALGORITHMS, remember=0, clock=ManualClock(wall=NOW))


async def who(text: str | bytes) -> Identity | None:
    value = b"Bearer " + (text.encode() if isinstance(text, str) else text)
    request = Request.from_parts("GET", "/", "", Headers.from_pairs([(b"authorization", value)]), b"")
    return await authenticator().authenticate(request, RequestContext())


async def refused(text: str | bytes, said: str = "") -> None:
    with pytest.raises(InvalidCredentials) as caught:
        await who(text)
    assert said in str(caught.value)
    shown = text if isinstance(text, str) else text.decode("latin-1")
    assert not any(segment in str(caught.value) for segment in shown.split(".") if len(segment) > 9)


def forged(header: Mapping[str, object] | bytes, payload: Mapping[str, object] | bytes | None = None) -> str:
    return token(payload, key=EVIL, alg="RS256", header=header)


async def test_the_token_that_the_attacks_start_from_is_good() -> None:
    assert await who(GOOD) is not None


@pytest.mark.parametrize(
    "alg",
    ["none", "None", "NONE", "nOnE", "none ", " none", "n\u043ene", "", None, 0, [], ["none"], {"none": 1}, "null"],
)
@pytest.mark.parametrize("signature", ["", _SIGNATURE, "AA"], ids=["empty", "of another token", "two bytes"])
async def test_alg_none_in_any_spelling(alg: object, signature: str) -> None:
    head = encoded(json.dumps({"alg": alg, "kid": "ec", "typ": "JWT"}).encode()).decode()
    await refused(f"{head}.{_BODY}.{signature}", "algorithm is not accepted")


async def test_no_alg() -> None:
    await refused(forged({"kid": "rsa"}), "algorithm is not accepted")


@pytest.mark.parametrize("kid", ["rsa", "ec", None])
@pytest.mark.parametrize("form", ["PEM", "DER", "n", "JWK"])
async def test_the_public_rsa_key_as_an_hmac_secret(kid: str | None, form: str) -> None:
    public = {
        "PEM": RSA.as_pem(),
        "DER": RSA.as_der(),
        "n": base64.urlsafe_b64decode(str(RSA["n"]) + "=="),
        "JWK": json.dumps(jwk(RSA)).encode(),
    }[form]
    secret = OctKey(public, public)
    text = token(key=secret, alg="HS256", header={"alg": "HS256"} | ({"kid": kid} if kid else {}))
    await refused(text)
    keys = FixedKeys(keys_of_provider(jwks(RSA)).keys)
    lenient = JwtAuthenticator(keys, RULES, algorithms=["RS256", "HS256"], clock=ManualClock(wall=NOW))
    with pytest.raises(InvalidCredentials, match="not known"):
        await lenient.identity_of(text)


async def test_an_hmac_secret_does_not_verify_an_rsa_token() -> None:
    keys = FixedKeys(keys_of_secret(SECRET, ["HS256"]))
    lenient = JwtAuthenticator(keys, RULES, algorithms=["RS256", "HS256"], clock=ManualClock(wall=NOW))
    with pytest.raises(InvalidCredentials, match="not known"):
        await lenient.identity_of(forged({"alg": "RS256"}))


@pytest.mark.parametrize(("alg", "kid"), [("ES256", "rsa"), ("RS256", "ec"), ("PS256", "ed"), ("Ed25519", "ec"),
                                          ("HS256", "rsa"), ("RS256", "oct"), ("ES256", "ed")])  # fmt: skip
async def test_the_name_of_a_key_of_another_kind(alg: str, kid: str) -> None:
    await refused(forged({"alg": alg, "kid": kid}), "not known")


@pytest.mark.parametrize("alg", ["HS512", "RS384", "ES384", "es256", "ES256 ", "RSA-OAEP", "dir", "ES256K", "A128KW"])
async def test_an_algorithm_that_is_not_on_the_list(alg: str) -> None:
    await refused(forged({"alg": alg, "kid": "rsa"}), "algorithm is not accepted")


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "/etc/passwd",
        "..\\..\\keys",
        "file:///dev/null",
        "https://evil.example/key",
        "' OR '1'='1",
        "x' UNION SELECT 'secret' -- ",
        "$(touch /tmp/x)",
        "| id",
        "ec\u0000",
        "EC",
        "ec ",
        "__class__",
        "",
        "*",
    ],
)
async def test_kid_path_traversal_and_injection(kid: str) -> None:
    await refused(forged({"alg": "RS256", "kid": kid}), "not known")
    empty = OctKey(b"\0" * 32, b"\0" * 32)
    await refused(token(key=empty, alg="HS256", header={"alg": "HS256", "kid": kid}), "not known")


@pytest.mark.parametrize("kid", [None, 1, True, ["ec"], {"ec": 1}, "k" * 257])
async def test_a_kid_that_is_no_name(kid: object) -> None:
    await refused(token(header={"alg": "ES256", "kid": kid}), "key id is malformed")


@pytest.mark.parametrize("crit", [["exp"], ["b64"], ["unknown"], [], None, "x", ["http://example/x"]])
async def test_crit_is_never_understood(crit: object) -> None:
    await refused(token(header={"alg": "ES256", "kid": "ec", "crit": crit, "b64": True}), "crit in its header")
    await refused(token(header={"alg": "ES256", "kid": "ec", "crit": crit}), "crit in its header")


@pytest.mark.parametrize("b64", [True, False])
async def test_an_unencoded_payload(b64: bool) -> None:
    await refused(token(header={"alg": "ES256", "kid": "ec", "b64": b64}), "b64 in its header")


@pytest.mark.parametrize("name", ["zip", "enc"])
async def test_a_token_to_unpack_or_decrypt(name: str) -> None:
    await refused(token(header={"alg": "ES256", "kid": "ec", name: "DEF"}), f"{name} in its header")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jwk", jwk(EVIL)),
        ("jku", "https://evil.example/jwks"),
        ("x5u", "https://evil.example/cert"),
        ("x5c", ["MIIB"]),
        ("jku", "http://169.254.169.254/latest/meta-data"),
    ],
)
def test_an_embedded_key_or_its_address_is_refused_and_never_asked_for(name: str, value: object) -> None:
    async def main() -> None:
        provider = Provider(jwks(EC))
        source = RemoteKeySet(provider, "/jwks", clock=VirtualClock())
        jwt = JwtAuthenticator(source, RULES, algorithms=ALGORITHMS, clock=ManualClock(wall=NOW))
        for header in ({"alg": "RS256"}, {"alg": "RS256", "kid": "evil"}, {"alg": "ES256", "kid": "ec"}):
            with pytest.raises(InvalidCredentials, match=f"{name} in its header"):
                await jwt.identity_of(forged({**header, name: value}))
        assert provider.requests == []

    run(main)


async def test_a_key_of_the_attackers_own() -> None:
    for kid in ("evil", "rsa", None):
        await refused(forged({"alg": "RS256"} | ({"kid": kid} if kid else {})))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"exp": NOW - 31}, "expired"),
        ({"exp": NOW - 10**9}, "expired"),
        ({"nbf": NOW + 3600}, "not valid yet"),
        ({"iat": NOW + 3600}, "issued in the future"),
        ({"aud": "payments"}, "another audience"),
        ({"aud": ["payments", "orders-admin"]}, "another audience"),
        ({"iss": "https://id.example.evil"}, "another issuer"),
        ({"iss": "HTTPS://ID.EXAMPLE"}, "another issuer"),
    ],
)
async def test_a_genuine_token_for_another_time_or_place(changes: dict[str, object], said: str) -> None:
    await refused(token(claims(**changes)), said)


@pytest.mark.parametrize(
    "exp",
    [
        b"1e999",
        b"-1e999",
        b"NaN",
        b"Infinity",
        b"1" + b"0" * 400,
        b"9" * 5000,
        b'"9999999999"',
        b"true",
        b"null",
        b"{}",
    ],
    ids=range(10),
)
async def test_an_end_that_never_comes(exp: bytes) -> None:
    raw = b'{"iss":"https://id.example","aud":"orders","sub":"x","exp":' + exp + b"}"
    await refused(token(raw))


@pytest.mark.parametrize("length", range(0, 86, 5))
async def test_a_truncated_signature(length: int) -> None:
    await refused(f"{_HEAD}.{_BODY}.{_SIGNATURE[:length]}")


async def test_a_signature_with_more_behind_it() -> None:
    raw = base64.urlsafe_b64decode(_SIGNATURE + "==")
    for longer in (raw + b"\0", raw * 2, b"\0" + raw):
        await refused(f"{_HEAD}.{_BODY}.{encoded(longer).decode()}", "signature is wrong")


async def test_a_signature_with_another_last_character_for_the_same_bytes() -> None:
    raw = base64.urlsafe_b64decode(_SIGNATURE + "==")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twins = [
        twin
        for character in alphabet
        if (twin := _SIGNATURE[:-1] + character) != _SIGNATURE and base64.urlsafe_b64decode(twin + "==") == raw
    ]
    assert len(twins) == 15
    for twin in twins:
        await refused(f"{_HEAD}.{_BODY}.{twin}", "signature is malformed")


@pytest.mark.parametrize(
    "text",
    [
        f"{GOOD}=",
        f"{GOOD}==",
        f"{_HEAD}=.{_BODY}.{_SIGNATURE}",
        f"{_HEAD}.{_BODY}=.{_SIGNATURE}",
        f"{GOOD}\n",
        f"{GOOD} ",
        f"{GOOD}\t",
        f"{_HEAD}.{_BODY}.{_SIGNATURE[:9]} {_SIGNATURE[9:]}",
        f"{_HEAD}\n.{_BODY}.{_SIGNATURE}",
        f"{GOOD}%00",
        f"{GOOD}\0",
        f"{_HEAD}.{_BODY}.{_SIGNATURE[:-2]}+/",
    ],
    ids=range(12),
)
async def test_padding_and_white_space(text: str) -> None:
    await refused(text)


async def test_an_ecdsa_signature_in_der() -> None:
    raw = base64.urlsafe_b64decode(_SIGNATURE + "==")
    der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    assert decode_dss_signature(der)
    await refused(f"{_HEAD}.{_BODY}.{encoded(der).decode()}", "signature is wrong")


ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.mark.parametrize("r", [0, 1, ORDER, ORDER + 1, 2**256 - 1])
@pytest.mark.parametrize("s", [0, 1, ORDER, 2**256 - 1])
async def test_psychic_signatures(r: int, s: int) -> None:
    signature = encoded(r.to_bytes(32) + s.to_bytes(32)).decode()
    await refused(f"{_HEAD}.{_BODY}.{signature}", "signature is wrong")


@pytest.mark.parametrize("byte", [0, 255])
async def test_empty_and_uniform_rsa_and_eddsa_signatures(byte: int) -> None:
    for kid, alg, size in (("rsa", "RS256", 256), ("rsa", "PS256", 256), ("ed", "Ed25519", 64), ("oct", "HS256", 32)):
        head = encoded(json.dumps({"alg": alg, "kid": kid}).encode()).decode()
        for length in (0, 1, size - 1, size, size + 1):
            await refused(f"{head}.{_BODY}.{encoded(bytes([byte]) * length).decode()}")


async def test_other_claims_under_a_good_signature() -> None:
    body = encoded(json.dumps(claims(sub="admin")).encode()).decode()
    await refused(f"{_HEAD}.{body}.{_SIGNATURE}", "signature is wrong")
    await refused(f"{_HEAD}..{_SIGNATURE}", "signature is wrong")
    head = encoded(b'{"alg":"ES256","kid":"ec"}').decode()
    await refused(f"{head}.{_BODY}.{_SIGNATURE}", "signature is wrong")


async def test_duplicate_claims() -> None:
    raw = b'{"iss":"https://id.example","aud":"orders","sub":"user","exp":1800000600,"sub":"admin"}'
    await refused(token(raw), "claims are malformed")
    await refused(token(raw.replace(b',"sub":"admin"', b',"a":{"b":1,"\\u0062":2}')), "claims are malformed")


async def test_duplicate_header_members() -> None:
    for raw in (
        b'{"alg":"ES256","kid":"ec","alg":"none"}',
        b'{"alg":"none","kid":"ec","alg":"ES256"}',
        b'{"alg":"ES256","kid":"ec","\\u0061lg":"ES256"}',
    ):
        await refused(token(header=raw), "header is malformed")


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"null", b"1", b'"x"', b"{", b"{}x", b"\xff{}", b"\xef\xbb\xbf{}", b"\xfe\xff", b"{'alg':'ES256'}",
     b"[" * 1000, b'{"a":' * 300],
    ids=range(13),
)  # fmt: skip
async def test_what_is_no_json_object(raw: bytes) -> None:
    await refused(token(header=raw or b" "), "header is malformed")
    await refused(token(raw), "claims are malformed")


async def test_claims_that_nest_deeply() -> None:
    for opened, closed in ((b"[", b"]"), (b'{"a":', b"}")):
        for depth in (40, 500, 1000):
            nested = opened * depth + b"1" + closed * depth
            raw = b'{"iss":"https://id.example","aud":"orders","sub":"user","exp":1800000600,"x":' + nested + b"}"
            await refused(token(raw))
    wide = claims(x=[{"n": number} for number in range(100)])
    assert await who(token(wide)) is not None, "wide is not deep"


@pytest.mark.parametrize("size", [LONGEST_TOKEN + 1, 100_000, 10_000_000])
async def test_a_giant_token(size: int) -> None:
    await refused("x" * size, "too long")
    await refused(f"{_HEAD}.{'x' * size}.{_SIGNATURE}", "too long")
    with pytest.raises(InvalidCredentials, match="too long"):
        await authenticator().identity_of(f"{_HEAD}.{'x' * size}.{_SIGNATURE}")


async def test_a_giant_header() -> None:
    await refused(token(header={"alg": "ES256", "kid": "ec", "x": "y" * 2100}), "header is too long")


@pytest.mark.parametrize("count", [0, 1, 2, 4, 5, 6, 100])
async def test_another_number_of_segments(count: int) -> None:
    await refused(".".join([_HEAD, _BODY, _SIGNATURE, "AAAA", "AAAA", *["AAAA"] * 100][:count]))


async def test_an_encrypted_token() -> None:
    head = encoded(b'{"alg":"dir","enc":"A256GCM","zip":"DEF"}').decode()
    await refused(f"{head}..AAAA.AAAA.AAAA", "not a signed JWT")


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace(".", "\u2024", 1),
        GOOD.replace(".", "\uff0e"),
        "\u200b" + GOOD,
        GOOD + "\u00a0",
        GOOD.replace("e", "\u0435", 1),
        "\uff45" + GOOD[1:],
        GOOD + "\u0660",
    ],
)
async def test_unicode_twins(text: str) -> None:
    await refused(text)
    with pytest.raises(InvalidCredentials):
        await authenticator().identity_of(text)


async def test_a_subject_in_another_normal_form_is_another_caller() -> None:
    composed, decomposed = await who(token(claims(sub="\u00e9"))), await who(token(claims(sub="e\u0301")))
    assert composed is not None
    assert decomposed is not None
    assert composed.key != decomposed.key


async def test_a_token_beside_a_good_one() -> None:
    evil = forged({"alg": "RS256", "kid": "evil"})
    good = f"Bearer {GOOD}"
    for values in ((good, f"Bearer {evil}"), (f"{good}, Bearer {evil}",), (f"{good} {evil}",)):
        with pytest.raises(InvalidCredentials):
            await authenticator().authenticate(request_with(*values), RequestContext())


async def test_an_expired_token_is_not_told_from_a_forged_one_before_its_signature_is_good() -> None:
    await refused(token(claims(exp=1), key=ECKey.generate_key("P-256", {"kid": "ec"})), "signature is wrong")


def fuzz(text: bytes) -> None:
    async def main() -> None:
        try:
            identity = await who(text)
        except InvalidCredentials:
            return
        assert text == GOOD.encode(), (text, identity)

    coroutine = main()
    with pytest.raises(StopIteration):  # it never waits: the keys are there
        coroutine.send(None)


FUZZ = settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


@FUZZ
@given(st.binary(max_size=200))
def test_fuzz_any_bytes_are_refused(text: bytes) -> None:
    fuzz(text)


@FUZZ
@given(st.integers(0, len(GOOD) - 1), st.binary(max_size=3), st.integers(0, 3))
def test_fuzz_any_change_of_a_good_token_is_refused(place: int, inserted: bytes, removed: int) -> None:
    fuzz(GOOD.encode()[:place] + inserted + GOOD.encode()[place + removed :])


@FUZZ
@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=80))
def test_fuzz_any_three_segments_are_refused(head: bytes, body: bytes, signature: bytes) -> None:
    fuzz(b".".join(encoded(part) for part in (head, body, signature)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
HEADER_NAMES = st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "cty", "zip", "x5t"])
CLAIM_NAMES = st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "iat", "scope", "scp", "roles", "tier", "azp"])


@FUZZ
@given(st.dictionaries(HEADER_NAMES, JSON, max_size=4), st.dictionaries(CLAIM_NAMES, JSON, max_size=4))
def test_fuzz_odd_headers_and_signed_odd_claims_are_an_identity_or_refused(
    header: dict[str, object], changes: dict[str, object]
) -> None:
    async def main() -> None:
        for head in ({"alg": "ES256", "kid": "ec"}, {"alg": "ES256", "kid": "ec", **header}):
            try:
                identity = await who(token({**claims(), **changes}, header=head))
            except InvalidCredentials:
                continue
            assert identity is not None
            assert identity.issuer == ISSUER

    coroutine = main()
    with pytest.raises(StopIteration):
        coroutine.send(None)
