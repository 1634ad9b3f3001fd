"""Attacks on tokens and keys, through the whole gateway: each wants the service behind /admin to believe it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from joserfc.jwk import OctKey, RSAKey

from tests.support.jwt_tokens import AUDIENCE, EC, ISSUER, NOW, RSA, SECRET, claims, encoded, jwk, token
from tests.support.security_rig import (
    ADMIN_KEY,
    DISABLED_KEY,
    EXPIRED_KEY,
    OPAQUE,
    READER_KEY,
    UNKNOWN_KEY,
    Header,
    Rig,
    bearer,
    key,
    rig,
)

EVIL = RSAKey.generate_key(2048, {"kid": "evil"})
GOOD = token(claims(scope="admin"))
HEAD, BODY, SIGNATURE = GOOD.split(".")


async def refused(gateway: Rig, *headers: Header, status: int = 401, target: str = "/admin/users") -> None:
    """It is, the service hears nothing of it, and the answer repeats nothing of what was sent."""
    answer = await gateway.ask(target, *headers)
    assert answer.status == status
    if status == 401:
        assert answer.code == "unauthenticated"
        assert any(line.startswith("Bearer ") for line in answer.challenges)
    assert gateway.reached() == 0
    shown = answer.body + b"".join(value for _, value in answer.headers.pairs)
    for _, value in headers:
        raw = value if isinstance(value, bytes) else value.encode("latin-1")
        assert not [part for part in raw.replace(b" ", b".").split(b".") if len(part) > 12 and part in shown]


def forged(header: Mapping[str, object]) -> Header:
    """A token that the attacker's own key has signed."""
    return bearer(token(claims(scope="admin"), key=EVIL, alg="RS256", header={"alg": "RS256", **header}))


async def test_what_the_attacks_start_from_is_good(gateway: Rig) -> None:
    """Nothing: without this the tests below could all pass for another reason."""
    for header in (bearer(GOOD), key(ADMIN_KEY), bearer(OPAQUE)):
        assert (await gateway.ask("/admin/users", header)).status == 200
    assert gateway.reached() == 3


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None, ["none"]])
@pytest.mark.parametrize("signature", ["", SIGNATURE], ids=["no signature", "a signature of another token"])
async def test_alg_none(gateway: Rig, alg: object, signature: str) -> None:
    """Claims of the attacker's choice, with a header that says no signature is needed."""
    head = encoded(json.dumps({"alg": alg, "typ": "at+jwt"}).encode()).decode()
    await refused(gateway, bearer(f"{head}.{encoded(json.dumps(claims(scope='admin')).encode()).decode()}.{signature}"))


@pytest.mark.parametrize("kid", ["rsa", "oct", None])
@pytest.mark.parametrize("form", ["PEM", "DER", "n", "JWK"])
async def test_rs256_public_key_as_an_hs256_secret(gateway: Rig, kid: str | None, form: str) -> None:
    """To sign with the key that everybody may read, by calling it a shared secret."""
    public = {
        "PEM": RSA.as_pem(),
        "DER": RSA.as_der(),
        "n": base64.urlsafe_b64decode(str(RSA["n"]) + "=="),
        "JWK": json.dumps(jwk(RSA)).encode(),
    }[form]
    header = {"alg": "HS256"} | ({"kid": kid} if kid else {})
    await refused(gateway, bearer(token(claims(scope="admin"), key=OctKey(public, public), alg="HS256", header=header)))


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "/dev/null",
        "file:///dev/null",
        "https://evil.example/key",
        "' OR '1'='1",
        "x' UNION SELECT 'secret' -- ",
        "$(id)",
        "| id",
        "rsa\0",
        "__class__",
        "*",
        "",
        "k" * 300,
    ],
)
async def test_kid_path_traversal_and_injection(gateway: Rig, kid: str) -> None:
    """To have the key looked up where the attacker can foresee what is found: an empty file, a row of its own."""
    await refused(gateway, forged({"kid": kid}))
    empty = OctKey(b"\0" * 32, b"\0" * 32)
    header = {"alg": "HS256", "kid": kid}
    await refused(gateway, bearer(token(claims(scope="admin"), key=empty, alg="HS256", header=header)))


@pytest.mark.parametrize("crit", [["unknown"], ["exp"], ["b64"], [], "x"])
async def test_unknown_crit(gateway: Rig, crit: object) -> None:
    """An extension that the issuer says must be understood, ignored."""
    header = {"alg": "ES256", "kid": "ec", "crit": crit, "b64": True, "unknown": 1}
    await refused(gateway, bearer(token(claims(scope="admin"), header=header)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jwk", jwk(EVIL)),
        ("jku", "https://evil.example/jwks"),
        ("jku", "http://169.254.169.254/latest/meta-data"),
        ("x5u", "https://evil.example/certificate"),
        ("x5c", ["MIIB"]),
    ],
)
async def test_embedded_jwk_jku_and_x5u(tmp_path: Path, name: str, value: object) -> None:
    """To bring the key along, or to make the gateway fetch it from wherever the token says."""
    way = {"issuer": ISSUER, "audience": AUDIENCE, "algorithms": ["RS256"], "service": "id", "jwks_path": "/jwks"}
    route = {"path": "/admin/*", "service": "admin", "middleware": [{"auth": {"jwt": way}}]}
    async with rig(tmp_path, routes=[route]) as gateway:
        for kid in ("evil", "rsa", None):
            await refused(gateway, forged({name: value} | ({"kid": kid} if kid else {})))
        assert gateway.provider.asked == []
        good = token(key=RSA, alg="RS256", header={"alg": "RS256", "kid": "rsa"})
        assert (await gateway.ask("/admin/users", bearer(good))).status == 200
        assert gateway.provider.asked == ["/jwks"]


@pytest.mark.parametrize(
    "changes",
    [{"exp": NOW - 31}, {"exp": NOW - 10**9}, {"exp": None}, {"exp": 0}, {"exp": "9999999999"}, {"exp": True}],
)
async def test_expired_tokens(gateway: Rig, changes: dict[str, object]) -> None:
    """To use a token that was found in an old log, or that would never end."""
    await refused(gateway, bearer(token(claims(scope="admin") | changes)))


async def test_a_token_that_expires_while_it_is_remembered(running: Rig) -> None:
    """To go on with a token whose time has come, because the gateway remembers that it was good."""
    assert (await running.ask("/admin/users", bearer(GOOD))).status == 200
    running.clock.advance(600 + 31)
    assert (await running.ask("/admin/users", bearer(GOOD))).status == 401
    assert running.reached() == 1


@pytest.mark.parametrize("changes", [{"nbf": NOW + 3600}, {"iat": NOW + 3600}])
async def test_tokens_from_the_future(gateway: Rig, changes: dict[str, object]) -> None:
    """To use a token before its time, or one from an issuer whose clock was moved."""
    await refused(gateway, bearer(token(claims(scope="admin", **changes))))


@pytest.mark.parametrize(
    "aud", ["payments", ["payments", "orders-admin"], "ORDERS", "orders ", [], None, {"orders": 1}]
)
async def test_a_token_for_another_audience(gateway: Rig, aud: object) -> None:
    """To bring here what another service was given to act for its caller."""
    await refused(gateway, bearer(token(claims(scope="admin", aud=aud))))


@pytest.mark.parametrize("iss", ["https://evil.example", "https://id.example.evil", "https://id.example/", None, ["x"]])
async def test_a_token_of_another_issuer(gateway: Rig, iss: object) -> None:
    """To be believed on the word of somebody whom the gateway does not trust."""
    await refused(gateway, bearer(token(claims(scope="admin", iss=iss))))


@pytest.mark.parametrize("length", [0, 1, 4, 42, 43, 84, 85])
async def test_truncated_signatures(gateway: Rig, length: int) -> None:
    """To find a verifier that compares only as much as is there."""
    await refused(gateway, bearer(f"{HEAD}.{BODY}.{SIGNATURE[:length]}"))


async def test_re_encoded_signatures(gateway: Rig) -> None:
    """Two spellings of one token: a list of withdrawn ones, or a cache, would know only the first."""
    raw = base64.urlsafe_b64decode(SIGNATURE + "==")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twins = [SIGNATURE[:-1] + last for last in alphabet if SIGNATURE[-1] != last]
    twins = [twin for twin in twins if base64.urlsafe_b64decode(twin + "==") == raw]
    assert len(twins) == 15
    twins += [SIGNATURE + "=", SIGNATURE + "==", encoded(raw + b"\0").decode(), encoded(b"\0" + raw).decode()]
    for twin in twins:
        await refused(gateway, bearer(f"{HEAD}.{BODY}.{twin}"))


async def test_other_claims_under_a_good_signature(gateway: Rig) -> None:
    """To become somebody else with the signature of a token that was given for oneself."""
    body = encoded(json.dumps(claims(scope="admin", sub="root")).encode()).decode()
    await refused(gateway, bearer(f"{HEAD}.{body}.{SIGNATURE}"))


async def test_duplicate_claims(gateway: Rig) -> None:
    """Two subjects in one token: one reader takes the first, another the last."""
    raw = json.dumps(claims(scope="admin")).encode()
    assert (await gateway.ask("/admin/users", bearer(token(raw)))).status == 200
    gateway.services["admin"].seen.clear()
    await refused(gateway, bearer(token(raw[:-1] + b',"sub":"root"}')))
    await refused(gateway, bearer(token(raw[:-1] + b',"\\u0073ub":"root"}')))
    await refused(gateway, bearer(token(header=b'{"alg":"ES256","kid":"ec","alg":"none"}')))


@pytest.mark.parametrize("size", [8193, 100_000, 5_000_000])
async def test_giant_tokens(gateway: Rig, size: int) -> None:
    """Work and memory for the asking."""
    await refused(gateway, bearer("x" * size))
    await refused(gateway, bearer(f"{HEAD}.{'x' * size}.{SIGNATURE}"))
    await refused(gateway, ("X-API-Key", "gw_a11ce_" + "0" * size))
    assert gateway.provider.asked == []


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (f"bearer {GOOD}", 200),
        (f"BEARER {GOOD}", 200),
        (f"Bearer   {GOOD}", 200),
        (f"Bearer\t{GOOD}", 401),
        (f"Bearer \t{GOOD}", 401),
        (f"Bearer\xa0{GOOD}", 401),
        (f"Bearer{GOOD}", 401),
        (f"Bearer: {GOOD}", 401),
        (f"Bearer={GOOD}", 401),
        (f'Bearer "{GOOD}"', 401),
        (f"Bearer {GOOD} {GOOD}", 401),
        (f"Bearer {GOOD}, Bearer {GOOD}", 401),
        (f"Bearer {GOOD},", 401),
        (f"Bearer token={GOOD}", 401),
        (f"Token {GOOD}", 401),
        (f"JWT {GOOD}", 401),
        (f"DPoP {GOOD}", 401),
        (f"Basic {GOOD}", 401),
        ("Basic " + base64.b64encode(b"alice:" + GOOD.encode()).decode(), 401),
        ("Basic " + base64.b64encode(b"gw:not-told-to-anybody").decode(), 401),
        (GOOD, 401),
        ("Bearer", 401),
        ("", 401),
    ],
)
async def test_bearer_variants(gateway: Rig, value: str, status: int) -> None:
    """A spelling that this gateway reads as one token, and whoever comes next as another or none."""
    if status == 200:
        assert (await gateway.ask("/admin/users", ("Authorization", value))).status == 200
        assert gateway.services["admin"].seen[0].request.header("authorization") is None
    else:
        await refused(gateway, ("Authorization", value))


@pytest.mark.parametrize("second", [f"Bearer {GOOD}", "Bearer other", "Basic YTpi", ""])
async def test_two_authorization_headers(gateway: Rig, second: str) -> None:
    """Two readers that choose differently."""
    for headers in ([bearer(GOOD), ("Authorization", second)], [("authorization", second), bearer(GOOD)]):
        await refused(gateway, *headers, status=400)


@pytest.mark.parametrize("name", ["access_token", "token", "Authorization", "X-API-Key", "api_key"])
async def test_credentials_in_the_query(gateway: Rig, name: str) -> None:
    """A link that carries its credentials, and leaves them in every log on the way."""
    await refused(gateway, target=f"/admin/users?{name}={GOOD}")
    await refused(gateway, target=f"/admin/users?{name}={ADMIN_KEY}")


async def test_credentials_in_the_body(gateway: Rig) -> None:
    """A form on a foreign page that carries a token: no preflight stands in its way."""
    body = f"access_token={GOOD}&X-API-Key={ADMIN_KEY}".encode()
    headers = (("Content-Type", "application/x-www-form-urlencoded"), ("Content-Length", str(len(body))))
    answer = await gateway.ask("/admin/users", *headers, method="POST", body=body)
    assert (answer.status, gateway.reached()) == (401, 0)


async def test_credentials_in_a_cookie(gateway: Rig) -> None:
    """A browser that sends its credentials along whoever's page asks."""
    cookie = f"Authorization=Bearer {GOOD}; X-API-Key={ADMIN_KEY}; access_token={GOOD}"
    await refused(gateway, ("Cookie", cookie))


_ID, _SECRET = ADMIN_KEY.split("_")[1:]


@pytest.mark.parametrize(
    "text",
    [
        f"gw_{_ID}_" + READER_KEY.split("_")[2],
        f"gw_{_ID}_{_SECRET[:-1]}",
        f"gw_{_ID}_{_SECRET}0",
        f"gw_{_ID}_{_SECRET.upper()}",
        f"gw_{_ID}_",
        f"gw_{_ID}",
        f"GW_{_ID}_{_SECRET}",
        f"gw_{_ID.upper()}_{_SECRET}",
        f"gw__{_SECRET}",
        f"gw_../{_ID}_{_SECRET}",
        _SECRET,
        UNKNOWN_KEY,
        EXPIRED_KEY,
        DISABLED_KEY,
        f"{ADMIN_KEY},{ADMIN_KEY}",
        f"{ADMIN_KEY} {ADMIN_KEY}",
        f"Bearer {ADMIN_KEY}",
        "",
        "*",
        "%",
    ],
)
async def test_api_keys_that_are_almost_right(gateway: Rig, text: str) -> None:
    """To be taken for the owner of a key by its public half, by another key's secret, or by a key of the past."""
    await refused(gateway, key(text))


async def test_an_api_key_as_a_bearer_token_and_a_token_as_an_api_key(gateway: Rig) -> None:
    """Credentials of one kind where another is looked for."""
    await refused(gateway, bearer(ADMIN_KEY))
    await refused(gateway, key(GOOD))
    await refused(gateway, key(OPAQUE))
    await refused(gateway, bearer(SECRET.replace(" ", "").replace(",", "").replace("!", "")))


@pytest.mark.parametrize("second", [ADMIN_KEY, READER_KEY, ""])
async def test_two_api_key_headers(gateway: Rig, second: str) -> None:
    """Two readers that choose differently."""
    await refused(gateway, key(ADMIN_KEY), key(second), status=400)
    await refused(gateway, key(second), ("x-api-key", ADMIN_KEY), status=400)


@pytest.mark.parametrize("wrong", [bearer("x.y.z"), key(UNKNOWN_KEY), bearer("nobody-knows-this")])
async def test_wrong_credentials_never_count_as_none(gateway: Rig, wrong: Header) -> None:
    """To pass where anonymous callers may, with a forgery that somebody further in believes."""
    answer = await gateway.ask("/optional/page", wrong)
    assert (answer.status, gateway.reached("optional")) == (401, 0)


async def test_two_kinds_of_credentials_are_one_caller(gateway: Rig) -> None:
    """To be one caller to the gateway and another to the service: whom it told is the one it asked about."""
    answer = await gateway.ask("/admin/users", key(ADMIN_KEY), bearer(GOOD))
    (seen,) = gateway.services["admin"].seen
    assert answer.status == 200
    assert seen.identity is not None
    assert seen.told()["x-user-id"] == [seen.identity.subject] == ["alice"]
    assert seen.request.header("authorization") is None
    assert seen.request.header("x-api-key") is None


async def test_a_key_that_the_issuer_signs_with_is_no_credential(gateway: Rig) -> None:
    """To show the public key itself."""
    await refused(gateway, bearer(encoded(json.dumps(jwk(EC)).encode()).decode()))
