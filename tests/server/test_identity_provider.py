"""The demo's identity provider: what it issues, and introspection against it on a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2 as httpx
import pytest
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError
from joserfc.jwk import KeySet

from api_gateway import BackendService, Endpoint, Request, RequestContext
from api_gateway.auth.authenticator import InvalidCredentials
from api_gateway.auth.identity_cache import IdentityCache
from api_gateway.auth.introspection import IntrospectionAuthenticator
from api_gateway.auth.introspection_answer import Expected
from api_gateway.core.clock import ManualClock
from api_gateway.core.errors import IdentityUnavailable
from api_gateway.server.demo.identity_provider import DEMO_GRANT, MOST_TOKENS, SLOWNESS, IdentityProvider, Subject
from api_gateway.server.demo.oauth_request import LARGEST_FORM
from api_gateway.server.demo.signing_keys import MOST_PUBLISHED
from api_gateway.simulation import run
from api_gateway.transport.http1 import Http1Transport
from api_gateway.transport.in_process import AsgiService
from api_gateway.transport.transport import Timeouts
from tests.support.identity_provider import CLIENTS, ISSUER, form, listening, provider

START = 1_700_000_000.0
GATEWAY = "gateway:1"
GATEWAY_SECRET = CLIENTS[GATEWAY][0]


class Asked:
    """Status, headers and JSON of what a provider answers in this process."""

    def __init__(self, provider: IdentityProvider) -> None:
        self._service = AsgiService(provider.application)

    async def __call__(self, request: Request) -> tuple[int, Any]:
        response = await self._service(request, RequestContext())
        body = await response.read()
        return response.status, json.loads(body) if body[:1] in (b"{", b"[") else body

    async def token(self, **values: str) -> dict[str, Any]:
        status, answer = await self(form("/token", {"grant_type": "client_credentials", **values}))
        assert status == 200, answer
        assert isinstance(answer, dict)
        return answer

    async def introspect(self, token: str) -> dict[str, Any]:
        status, answer = await self(form("/introspect", {"token": token}))
        assert status == 200
        assert isinstance(answer, dict)
        return answer


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
async def test_a_client_gets_a_token_that_can_be_introspected_until_it_expires(token_format: str) -> None:
    clock = ManualClock(wall=START)
    ask = Asked(provider(clock))
    issued = await ask.token(token_format=token_format)
    assert (issued["token_type"], issued["expires_in"], issued["scope"]) == ("Bearer", 300, "orders:read orders:write")
    assert (issued["access_token"].count(".") == 2) == (token_format == "jwt")
    answer = await ask.introspect(issued["access_token"])
    assert (answer["active"], answer["sub"], answer["client_id"]) == (True, "shop", "shop")
    assert (answer["iss"], answer["aud"], answer["exp"], answer["tier"]) == (ISSUER, "orders", START + 300, "gold")
    clock.advance(300)
    assert await ask.introspect(issued["access_token"]) == {"active": False}


async def test_a_named_user_gets_its_own_rights_or_fewer() -> None:
    ask = Asked(provider())
    issued = await ask.token(grant_type=DEMO_GRANT, username="ben", scope="orders:read")
    answer = await ask.introspect(issued["access_token"])
    assert (answer["sub"], answer["client_id"], answer["scope"]) == ("ben", "shop", "orders:read")


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (form("/token", {"grant_type": "client_credentials"}, secret="wrong"), (401, "invalid_client")),
        (form("/token", {"grant_type": "client_credentials"}, client="nobody", secret=""), (401, "invalid_client")),
        (form("/introspect", {"token": "x"}, client="nobody"), (401, "invalid_client")),
        (form("/revoke", {"token": "x"}, secret=""), (401, "invalid_client")),
        (Request("POST", "/introspect", body=b"token=x"), (401, "invalid_client")),
        (Request("POST", "/token", headers={"authorization": "Basic ???"}), (401, "invalid_client")),
        (form("/token", {"grant_type": "password"}), (400, "unsupported_grant_type")),
        (form("/token", {"a": "b"}), (400, "invalid_request")),
        (form("/token", {"grant_type": DEMO_GRANT, "username": "eve"}), (400, "invalid_grant")),
        (form("/token", {"grant_type": "client_credentials", "scope": "root"}), (400, "invalid_scope")),
        (form("/token", {"grant_type": "client_credentials", "token_format": "x"}), (400, "invalid_request")),
        (form("/introspect", {"a": "b"}), (400, "invalid_request")),
        (form("/introspect", {"token": "x"}).with_body(b"token=x&token=y"), (400, "invalid_request")),
        (form("/introspect", {"token": "x"}).with_body(b"\xff"), (400, "invalid_request")),
        (form("/introspect", {"token": "x" * LARGEST_FORM}), (413, "invalid_request")),
    ],
)
async def test_a_request_that_is_not_as_it_must_be_gets_oauths_error(
    request_: Request, expected: tuple[int, str]
) -> None:
    body = request_.body
    assert isinstance(body, bytes)
    sized = request_.with_headers(request_.headers.setting("content-length", str(len(body))))
    status, answer = await Asked(provider())(sized)
    assert (status, answer) == (expected[0], {"error": expected[1]})


async def test_a_revoked_token_is_inactive_and_only_its_own_client_can_revoke_it() -> None:
    ask = Asked(provider())
    token = (await ask.token())["access_token"]
    secret = GATEWAY_SECRET.replace("%", "%25").replace("+", "%2B")
    theirs = form("/revoke", {"token": token}, client="gateway%3A1", secret=secret)
    assert await ask(theirs) == (400, {"error": "invalid_grant"})
    assert (await ask.introspect(token))["active"] is True
    for _ in range(2):
        assert (await ask(form("/revoke", {"token": token})))[0] == 200
    assert await ask.introspect(token) == {"active": False}


async def test_tokens_are_verified_with_the_published_keys_also_after_a_rotation() -> None:
    clock = ManualClock(wall=START)
    ask = Asked(provider(clock))
    old = (await ask.token())["access_token"]
    _, before = await ask(Request("GET", "/jwks"))
    assert await ask(Request("POST", "/rotate")) == (200, {"kid": "key-2"})
    new = (await ask.token())["access_token"]
    _, after = await ask(Request("GET", "/jwks"))
    assert [key["kid"] for key in after["keys"]] == ["key-2", "key-1"]
    assert not any("d" in key for key in after["keys"])
    for token in (old, new):
        claims = jwt.decode(token, KeySet.import_key_set(after), algorithms=["ES256"])
        assert (claims.claims["sub"], claims.header["typ"]) == ("shop", "at+jwt")
    with pytest.raises(InvalidKeyIdError):
        jwt.decode(new, KeySet.import_key_set(before), algorithms=["ES256"])
    clock.advance(300)
    _, later = await ask(Request("GET", "/jwks"))
    assert [key["kid"] for key in later["keys"]] == ["key-2"]


async def test_however_often_somebody_rotates_or_asks_the_sets_stay_small() -> None:
    identity_provider = provider()
    for _ in range(20):
        identity_provider.keys.rotate()
    keys = identity_provider.keys.published()["keys"]
    assert isinstance(keys, list)
    assert len(keys) == MOST_PUBLISHED
    for _ in range(MOST_TOKENS + 5):
        identity_provider.issue("a", "shop", Subject(), opaque=True)
    assert len(identity_provider._tokens) == MOST_TOKENS


async def test_the_same_seed_makes_the_same_keys_and_tokens_and_no_seed_makes_others() -> None:
    one, same, other = provider(seed=1), provider(seed=1), provider(seed=None)
    assert one.keys.published() == same.keys.published() != other.keys.published()
    tokens = [each.issue("a", "shop", Subject(), opaque=True) for each in (one, same, other)]
    assert tokens[0] == tokens[1] != tokens[2]


async def test_it_says_where_everything_is() -> None:
    ask = Asked(provider())
    _, answer = await ask(Request("GET", "/.well-known/openid-configuration"))
    assert answer["issuer"] == ISSUER
    for name in ("jwks_uri", "token_endpoint", "introspection_endpoint", "revocation_endpoint"):
        status, _ = await ask(Request("GET", answer[name].removeprefix(ISSUER)))
        assert status in (200, 405)


def test_it_can_be_switched_off_and_on_again() -> None:
    async def main() -> None:
        ask = Asked(provider())

        async def outage(mode: object) -> int:
            return (await ask(Request("POST", "/outage", body=json.dumps({"mode": mode}).encode())))[0]

        assert await outage("down") == 200
        assert (await ask(Request("GET", "/jwks")))[0] == 503
        assert (await ask(Request("POST", "/rotate")))[0] == 200
        assert await outage("garbage") == 200
        assert (await ask(form("/introspect", {"token": "x"})))[1] == b"<html>Welcome.</html>"
        assert await outage("slow") == 200
        began = asyncio.get_running_loop().time()
        assert await ask.introspect("x") == {"active": False}
        assert asyncio.get_running_loop().time() - began == SLOWNESS
        for wrong in ("off", None, ["up"]):
            assert await outage(wrong) == 400
        assert await outage("up") == 200
        assert (await ask(Request("GET", "/jwks")))[0] == 200

    run(main)


# Introspection against it, over a socket.


async def end_to_end(main: Callable[[IntrospectionAuthenticator, IdentityProvider, str], Awaitable[None]]) -> None:
    clock = ManualClock(monotonic=10**9, wall=START)
    identity_provider = provider(clock)
    async with listening(identity_provider) as url:
        timeouts = Timeouts(connect=1.0, request=1.0, idle=1.0)
        service = BackendService("identity", [Endpoint(url)], Http1Transport(timeouts))
        asker = IntrospectionAuthenticator(
            service,
            "/introspect",
            GATEWAY,
            GATEWAY_SECRET,
            expected=Expected(issuer=ISSUER, audiences={"orders"}),
            cache=IdentityCache(clock, fresh_for=60, refused_for=5, stale_for=600, max_entries=100),
            clock=clock,
            timeout=0.2,
        )
        try:
            await main(asker, identity_provider, url)
        finally:
            await service.close()


def bearer(token: str, method: str = "GET") -> Request:
    return Request(method, "/", headers={"authorization": f"Bearer {token}"})


@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
async def test_a_token_from_the_provider_is_an_identity_at_the_gateway(token_format: str) -> None:
    async def main(asker: IntrospectionAuthenticator, identity_provider: IdentityProvider, url: str) -> None:
        async with httpx.AsyncClient(base_url=url, auth=("shop", "shop-secret")) as client:
            values = {"grant_type": DEMO_GRANT, "username": "ada", "token_format": token_format}
            issued = (await client.post("/token", data=values)).json()
            identity = await asker.authenticate(bearer(issued["access_token"]), RequestContext())
            assert identity is not None
            assert (identity.subject, identity.consumer, identity.issuer) == ("ada", "shop", ISSUER)
            assert (identity.scopes, sorted(identity.roles)) == (frozenset({"orders:read"}), ["admin", "staff"])
            assert identity.expires == START + 300
        with pytest.raises(InvalidCredentials):
            await asker.authenticate(bearer("made-up"), RequestContext())
        assert identity_provider.questions == 2

    await end_to_end(main)


@pytest.mark.parametrize("mode", ["down", "slow", "garbage"])
async def test_the_provider_can_be_switched_off_under_the_gateway(mode: str) -> None:
    async def main(asker: IntrospectionAuthenticator, identity_provider: IdentityProvider, url: str) -> None:
        token = identity_provider.issue("ada", "shop", Subject(), opaque=True)
        assert await asker.authenticate(bearer(token), RequestContext()) is not None
        clock = asker._clock
        assert isinstance(clock, ManualClock)
        clock.advance(60)
        async with httpx.AsyncClient(base_url=url) as client:
            assert (await client.post("/outage", json={"mode": mode})).status_code == 200
            assert await asker.authenticate(bearer(token), RequestContext()) is not None
            for refused in (bearer(token, "POST"), bearer("stranger")):
                with pytest.raises(IdentityUnavailable):
                    await asker.authenticate(refused, RequestContext())
            assert asker.down
            await client.post("/outage", json={"mode": "up"})
            assert await asker.authenticate(bearer(token, "POST"), RequestContext()) is not None
            assert not asker.down

    await end_to_end(main)


async def test_many_callers_at_once_are_one_question_on_the_wire() -> None:
    async def main(asker: IntrospectionAuthenticator, identity_provider: IdentityProvider, url: str) -> None:
        token = identity_provider.issue("ada", "shop", Subject(), opaque=True)
        found = await asyncio.gather(*(asker.authenticate(bearer(token), RequestContext()) for _ in range(200)))
        assert len({id(identity) for identity in found}) == 1
        assert (identity_provider.questions, asker.joined) == (1, 199)

    await end_to_end(main)


async def test_a_provider_that_does_not_listen_is_down() -> None:
    async with listening(provider()) as url:
        pass
    service = BackendService("identity", [Endpoint(url)], Http1Transport())
    asker = IntrospectionAuthenticator(service, "/introspect", GATEWAY, GATEWAY_SECRET)
    with pytest.raises(IdentityUnavailable):
        await asker.authenticate(bearer("x"), RequestContext())
    assert asker.down
    await service.close()
