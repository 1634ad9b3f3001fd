"""The JWT authenticator: what it accepts, makes of it, and remembers."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest
from joserfc.jwk import Key

from api_gateway.auth.authenticator import Authenticator, InvalidCredentials
from api_gateway.auth.jwt import JwtAuthenticator
from api_gateway.auth.jwt_claims import ClaimRules
from api_gateway.auth.jwt_header import ACCESS_TOKEN_TYPES
from api_gateway.auth.key_set import keys_of_file, keys_of_provider, keys_of_secret
from api_gateway.auth.key_source import FixedKeys, KeySetFile, KeySource
from api_gateway.auth.remote_key_set import RemoteKeySet
from api_gateway.core.clock import ManualClock
from api_gateway.core.errors import IdentityUnavailable
from api_gateway.core.identity import Identity
from api_gateway.core.request_context import RequestContext
from api_gateway.core.upstream_errors import ConnectFailed
from api_gateway.simulation import VirtualClock, run
from tests.support.jwt_tokens import (
    AUDIENCE,
    EC,
    ED,
    ISSUER,
    NOW,
    OCT,
    OTHER_EC,
    RSA,
    SECRET,
    Provider,
    claims,
    encoded,
    jwks,
    request_with,
    token,
)

ALL = ("ES256", "RS256", "PS256", "RS512", "EdDSA", "Ed25519")


class Rig:
    """An authenticator at a time."""

    def __init__(
        self,
        source: KeySource | None = None,
        *,
        algorithms: tuple[str, ...] = ALL,
        types: frozenset[str] = ACCESS_TOKEN_TYPES,
        leave_opaque: bool = False,
        remember: int = 100,
        leeway: float = 30.0,
        require_exp: bool = True,
        roles_claim: str = "roles",
        tier_claim: str = "tier",
        audiences: frozenset[str] = frozenset({AUDIENCE, "shop"}),
    ) -> None:
        self.clock = ManualClock(wall=NOW)
        rules = ClaimRules(ISSUER, audiences, leeway, require_exp, roles_claim, tier_claim)
        self.jwt = JwtAuthenticator(
            source or FixedKeys(keys_of_provider(jwks(EC, RSA, ED)).keys),
            rules,
            algorithms=algorithms,
            leave_opaque=leave_opaque,
            remember=remember,
            clock=self.clock,
            types=types,
        )

    async def who(self, text: str) -> Identity:
        """Who calls with this token."""
        identity = await self.jwt.authenticate(request_with(f"Bearer {text}"), RequestContext())
        assert identity is not None
        return identity

    async def refusal(self, text: str) -> str:
        """Why nobody does."""
        with pytest.raises(InvalidCredentials) as caught:
            await self.who(text)
        with pytest.raises(InvalidCredentials):
            await self.who(text)
        assert not any(segment and segment in str(caught.value) for segment in text.split(".") if len(segment) > 9)
        assert self.jwt.verified == self.jwt.remembered == 0
        return str(caught.value)


async def test_a_good_token_proves_who_is_calling() -> None:
    rig = Rig()
    payload = claims(scope="orders:read  orders:write", roles=["clerk"], tier="gold", azp="web", email_verified=True)
    identity = await rig.who(token(payload))
    assert (identity.subject, identity.method, identity.issuer) == ("user-42", "jwt", ISSUER)
    assert identity.scopes == {"orders:read", "orders:write"}
    assert identity.roles == {"clerk"}
    assert (identity.tier, identity.consumer) == ("gold", "web")
    assert identity.expires == NOW + 600
    assert identity.claims["email_verified"] is True
    with pytest.raises(TypeError):
        identity.claims["email_verified"] = False  # type: ignore[index]  # the point: it is read-only


@pytest.mark.parametrize(
    ("key", "alg"), [(EC, "ES256"), (RSA, "RS256"), (RSA, "PS256"), (RSA, "RS512"), (ED, "Ed25519")]
)
async def test_each_algorithm_on_the_list_is_verified(key: Key, alg: str) -> None:
    assert (await Rig().who(token(key=key, alg=alg))).subject == "user-42"


async def test_ed25519_by_its_older_name_is_verified_without_a_warning() -> None:
    text = token(key=ED, alg="Ed25519", header={"alg": "EdDSA", "kid": "ed"})
    assert (await Rig().who(text)).subject == "user-42"


async def test_a_shared_secret() -> None:
    source = FixedKeys(keys_of_secret(SECRET, ["HS256"]))
    rig = Rig(source, algorithms=("HS256",))
    assert (await rig.who(token(key=OCT, alg="HS256"))).subject == "user-42"
    with pytest.raises(InvalidCredentials, match="algorithm is not accepted"):
        await rig.who(token(key=OCT, alg="HS512"))


@pytest.mark.parametrize("value", [None, "Basic dXNlcjpwYXNz"])
async def test_no_bearer_token_is_for_another_authenticator(value: str | None) -> None:
    jwt: Authenticator = Rig().jwt
    assert await jwt.authenticate(request_with(*([] if value is None else [value])), RequestContext()) is None


async def test_an_opaque_token_is_malformed_unless_it_may_be_somebody_elses() -> None:
    assert await Rig().refusal("0123456789abcdef") == "The token is not a signed JWT."
    rig = Rig(leave_opaque=True)
    assert await rig.jwt.authenticate(request_with("Bearer 0123456789abcdef"), RequestContext()) is None
    with pytest.raises(InvalidCredentials, match="header is malformed"):
        await rig.who("a.b.c")


def test_the_challenge_names_the_realm() -> None:
    rig = Rig()
    assert rig.jwt.challenge == "Bearer"
    assert rig.jwt.credential_headers == {b"authorization"}
    rules, source = ClaimRules(ISSUER, frozenset({AUDIENCE})), FixedKeys(keys_of_secret(SECRET, []))
    quoted = JwtAuthenticator(source, rules, algorithms=["HS256"], realm='or"de\\rs')
    assert quoted.challenge == 'Bearer realm="or\\"de\\\\rs"'
    with pytest.raises(ValueError, match="printable ASCII"):
        JwtAuthenticator(source, rules, algorithms=["HS256"], realm="a\r\nb")


@pytest.mark.parametrize("audience", ["orders", "shop", ["orders"], ["elsewhere", "shop"]])
async def test_one_of_the_audiences_is_enough(audience: object) -> None:
    assert (await Rig().who(token(claims(aud=audience)))).subject == "user-42"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"iss": "https://evil.example"}, "The token is from another issuer."),
        ({"iss": ISSUER + "/"}, "The token is from another issuer."),
        ({"iss": None}, "The token is from another issuer."),
        ({"iss": [ISSUER]}, "The token is from another issuer."),
        ({"aud": "elsewhere"}, "The token is for another audience."),
        ({"aud": "orders "}, "The token is for another audience."),
        ({"aud": []}, "The token is for another audience."),
        ({"aud": None}, "The token does not say whom it is for."),
        ({"aud": ["orders", 1]}, "The token does not say whom it is for."),
        ({"aud": {"orders": 1}}, "The token does not say whom it is for."),
        ({"exp": NOW - 30}, "The token has expired."),
        ({"exp": 0}, "The token has expired."),
        ({"exp": None}, "The token does not say when it expires."),
        ({"nbf": NOW + 31}, "The token is not valid yet."),
        ({"iat": NOW + 31}, "The token was issued in the future."),
        ({"exp": str(NOW + 60)}, "The token's exp is not a time."),
        ({"exp": True}, "The token's exp is not a time."),
        ({"exp": [NOW + 60]}, "The token's exp is not a time."),
        ({"exp": -1}, "The token's exp is not a time."),
        ({"exp": 10**300}, "The token's exp is not a time."),
        ({"nbf": "0"}, "The token's nbf is not a time."),
        ({"iat": False}, "The token's iat is not a time."),
        ({"sub": None}, "The token does not say who is calling."),
        ({"sub": ""}, "The token does not say who is calling."),
        ({"sub": 42}, "The token does not say who is calling."),
        ({"sub": "a\r\nx-admin: 1"}, "A name in the token is too long, or holds a forbidden character."),
        ({"sub": "\ud800"}, "A name in the token is too long, or holds a forbidden character."),
        ({"sub": "x" * 513}, "A name in the token is too long, or holds a forbidden character."),
        ({"scope": 'a"b'}, "A name in the token is too long, or holds a forbidden character."),
        ({"scope": 7}, "The token's scope is not a list of words."),
        ({"scp": [1]}, "The token's scp is not a list of words."),
        ({"roles": {"admin": True}}, "The token's roles is not a list of words."),
        ({"tier": ["gold"]}, "The token's tier is not a text."),
        ({"azp": 1}, "The token's azp is not a text."),
    ],
)
async def test_a_claim_that_is_not_as_expected_is_told(changes: dict[str, object], said: str) -> None:
    assert await Rig().refusal(token(claims(**changes))) == said


@pytest.mark.parametrize("changes", [{"exp": NOW - 29}, {"nbf": NOW + 30}, {"iat": NOW + 30}, {"exp": NOW + 0.5}])
async def test_clocks_may_differ_by_the_leeway(changes: dict[str, object]) -> None:
    assert await Rig().who(token(claims(**changes)))


async def test_a_token_without_an_end_if_that_is_allowed() -> None:
    rig = Rig(require_exp=False)
    assert (await rig.who(token(claims(exp=None)))).expires is None
    rig.clock.advance(10**9)
    assert await rig.who(token(claims(exp=None)))
    with pytest.raises(InvalidCredentials, match="expired"):
        await rig.who(token(claims()))


@pytest.mark.parametrize(
    ("changes", "scopes"),
    [
        ({"scope": "a b"}, {"a", "b"}),
        ({"scp": ["a", "b"]}, {"a", "b"}),
        ({"scp": "a b"}, {"a", "b"}),
        ({"scope": ["a"]}, {"a"}),
        ({"scope": "", "scp": "admin"}, set()),
        ({}, set()),
    ],
)
async def test_scopes_are_read_from_scope_or_scp(changes: dict[str, object], scopes: set[str]) -> None:
    assert (await Rig().who(token(claims(**changes)))).scopes == scopes


async def test_roles_and_tier_may_be_inside_other_claims() -> None:
    rig = Rig(roles_claim="realm_access.roles", tier_claim="https://id.example/tier")
    payload = claims(realm_access={"roles": ["a", "b"]}, **{"https://id.example/tier": "gold"})
    identity = await rig.who(token(payload))
    assert identity.roles == {"a", "b"}
    assert identity.tier == "gold"
    strange: list[object] = [None, "text", 5, {}, {"roles": None}, []]
    for odd in strange:
        assert (await rig.who(token(claims(realm_access=odd)))).roles == frozenset()


async def test_the_application_is_azp_or_else_client_id() -> None:
    assert (await Rig().who(token(claims(azp="web", client_id="app")))).consumer == "web"
    assert (await Rig().who(token(claims(client_id="app")))).consumer == "app"


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "application/JWT"])
async def test_an_access_token_by_its_type(typ: str) -> None:
    assert await Rig().who(token(header={"alg": "ES256", "kid": "ec", "typ": typ}))


@pytest.mark.parametrize("typ", ["logout+jwt", "dpop+jwt", "id+jwt", "", "application/", "application/application/jwt",
                                 "JWT ", "\u212at+jwt", None, 5, ["JWT"]])  # fmt: skip
async def test_another_type_is_refused(typ: object) -> None:
    said = await Rig().refusal(token(header={"alg": "ES256", "kid": "ec", "typ": typ}))
    assert said == "The token is not of an accepted type."


async def test_at_jwt_may_be_required() -> None:
    rig = Rig(types=frozenset({"at+jwt"}))
    assert await rig.who(token())
    for header in ({"alg": "ES256", "kid": "ec"}, {"alg": "ES256", "kid": "ec", "typ": "JWT"}):
        with pytest.raises(InvalidCredentials, match="accepted type"):
            await rig.who(token(header=header))


async def test_a_letter_that_only_becomes_one_of_ours_in_lower_case_is_another_type() -> None:
    rig = Rig(types=frozenset({"k+jwt"}))
    assert await rig.who(token(header={"alg": "ES256", "kid": "ec", "typ": "K+jwt"}))
    with pytest.raises(InvalidCredentials, match="accepted type"):
        await rig.who(token(header={"alg": "ES256", "kid": "ec", "typ": "\u212a+jwt"}))


async def test_a_token_without_a_kid_needs_exactly_one_key() -> None:
    assert await Rig().who(token(header={"alg": "ES256"}))
    two = Rig(FixedKeys(keys_of_provider(jwks(EC, OTHER_EC)).keys))
    assert await two.refusal(token(header={"alg": "ES256"})) == "The token is signed with a key that is not known."


async def test_a_verified_token_is_remembered_until_it_expires() -> None:
    rig = Rig()
    text = token(claims(exp=NOW + 60))
    first = await rig.who(text)
    assert await rig.who(text) is first
    assert (rig.jwt.verified, rig.jwt.remembered) == (1, 1)
    rig.clock.advance(60)
    assert await rig.who(text) is not first, "within the leeway it is verified each time"
    rig.clock.advance(30)
    with pytest.raises(InvalidCredentials, match="expired"):
        await rig.who(text)


async def test_so_many_tokens_are_remembered_and_the_least_used_is_forgotten() -> None:
    rig = Rig(remember=3)
    tokens = [token(claims(sub=str(number))) for number in range(4)]
    for text in (*tokens[:3], tokens[0], tokens[3]):
        await rig.who(text)
    assert (rig.jwt.verified, rig.jwt.remembered) == (4, 1)
    await rig.who(tokens[0])
    assert rig.jwt.remembered == 2
    await rig.who(tokens[1])
    assert rig.jwt.verified == 5


async def test_nothing_is_remembered_if_so_wished() -> None:
    rig = Rig(remember=0)
    text = token()
    await rig.who(text)
    await rig.who(text)
    assert (rig.jwt.verified, rig.jwt.remembered) == (2, 0)


async def test_a_token_verified_by_hand_is_not_remembered() -> None:
    rig = Rig()
    assert (await rig.jwt.identity_of(token())).subject == "user-42"
    await rig.who(token())
    assert rig.jwt.remembered == 0


async def test_a_token_itself_is_not_kept() -> None:
    rig = Rig()
    text = token()
    await rig.who(text)
    kept = repr(rig.jwt._remembered)
    assert text.rpartition(".")[2] not in kept
    assert repr(hashlib.sha256(text.encode()).digest()) in kept


async def test_a_token_of_a_key_that_left_the_file_stops_working(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(jwks(EC))
    source = KeySetFile(path)
    rig = Rig(source)
    await rig.who(token())
    await rig.who(token(key=EC))
    path.write_bytes(jwks(OTHER_EC, RSA))
    source.look()
    with pytest.raises(InvalidCredentials, match="not known"):
        await rig.who(token())
    assert await rig.who(token(key=OTHER_EC))


def test_a_token_of_a_key_that_the_provider_withdrew_stops_working() -> None:
    async def main() -> None:
        provider = Provider(jwks(EC))
        rig = Rig(RemoteKeySet(provider, "/jwks", max_age=600.0, clock=VirtualClock()))
        text, other = token(), token(key=OTHER_EC)
        first = await rig.who(text)
        await asyncio.sleep(599)
        assert await rig.who(text) is first
        await asyncio.sleep(1)
        assert await rig.who(text) is first, "renewed, unchanged"
        provider.document = jwks(OTHER_EC)
        await asyncio.sleep(11)
        assert await rig.who(other), "its kid is new, so the keys were fetched"
        with pytest.raises(InvalidCredentials, match="not known"):
            await rig.who(text)

    run(main)


def test_without_keys_nobody_is_told_that_a_token_is_wrong() -> None:
    async def main() -> None:
        provider = Provider(jwks(EC))
        provider.error = ConnectFailed("refused")
        rig = Rig(RemoteKeySet(provider, "/jwks", clock=VirtualClock()))
        with pytest.raises(IdentityUnavailable):
            await rig.who(token())
        with pytest.raises(InvalidCredentials):
            await rig.who(token(alg="none"))
        assert len(provider.requests) == 1, "a token that is refused for itself asks nobody"
        provider.error = None
        await asyncio.sleep(2)
        text = token()
        first = await rig.who(text)
        provider.error = ConnectFailed("refused")
        await asyncio.sleep(3600)
        assert (await rig.who(text)).key == first.key, "the last good keys"
        assert (rig.jwt.verified, rig.jwt.remembered) == (2, 0)
        await rig.who(text)
        assert (rig.jwt.verified, rig.jwt.remembered) == (2, 1)
        await asyncio.sleep(90_000)
        with pytest.raises(IdentityUnavailable):
            await rig.who(text)

    run(main)


def test_a_thousand_with_the_same_new_token_fetch_once_and_all_are_served() -> None:
    async def main() -> None:
        provider = Provider(jwks(EC), delay=1.0)
        rig = Rig(RemoteKeySet(provider, "/jwks", clock=VirtualClock()))
        text = token()
        identities = await asyncio.gather(*(rig.who(text) for _ in range(1000)))
        assert {identity.subject for identity in identities} == {"user-42"}
        assert len(provider.requests) == 1

    run(main)


async def test_claims_may_be_written_with_white_space_and_escapes() -> None:
    raw = b' {"iss" : "https:\\/\\/id.example", "aud":"orders", "sub":"j\\u00fcrgen", "exp": 1.8000006e9}\n'
    assert (await Rig().who(token(raw))).subject == "j\u00fcrgen"


@pytest.mark.parametrize("changes", [{"issuer": ""}, {"audiences": frozenset()}, {"audiences": frozenset({""})},
                                     {"leeway": -1}, {"leeway": 301}, {"leeway": float("nan")}])  # fmt: skip
def test_rules_that_would_let_anything_pass_are_refused(changes: dict[str, object]) -> None:
    rules: dict[str, object] = {"issuer": ISSUER, "audiences": frozenset({AUDIENCE}), **changes}
    with pytest.raises(ValueError, match=r"needed|leeway"):
        ClaimRules(**rules)  # type: ignore[arg-type]  # one at a time


def test_the_authenticator_shows_no_key() -> None:
    rig = Rig(FixedKeys(keys_of_file(jwks(OCT.as_dict(private=True)), "-")), algorithms=("HS256",))
    assert SECRET not in repr(rig.jwt)
    assert encoded(SECRET.encode()).decode() not in repr(rig.jwt)
